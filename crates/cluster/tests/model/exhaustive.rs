//! The core as it is: no state within the bounds breaks an invariant. Each direction has bounds for the
//! gate, which are exhausted, and deep ones for `cargo xtask model --deep`, which are explored as far as
//! the limits of time and memory reach; whether that was all is printed.

use std::time::Duration;

use crate::asked::number;
use crate::bounds::{Asked, Bounds, Policy, Reductions, Start};
use crate::model::Model;
use crate::search::{self, Limits};
use crate::sweep::sweep;
use crate::told;

/// True for the deep run.
pub(crate) fn is_deep() -> bool {
    std::env::var_os("MODEL_DEEP").is_some()
}

/// How long one deep exploration may take, unless told otherwise.
const MINUTES: u64 = 30;

/// Room for what is asked for: half a gibibyte, or eight times as much for the one that is promised.
fn limits(most: usize) -> Limits {
    Limits {
        states: if is_deep() { most } else { 1_000_000 },
        until: None,
        time: Duration::from_mins(number("MODEL_MINUTES", MINUTES)),
    }
}

/// The shortest way to what is broken, if the limits reach it.
pub(crate) fn shortest(bounds: Bounds, limits: Limits) -> String {
    // Why another model: a path can be told only with the tables of its own search.
    let mut model = Model::new(bounds, None);
    let found = search::exhaust(&mut model, limits).counterexample;
    found.map_or_else(
        || "no way to it was found within the limits".to_owned(),
        |found| told::path(&mut model, &found),
    )
}

fn hold(gate: Bounds, deep: Bounds) {
    let bounds = if is_deep() { deep } else { gate };
    let promised = bounds.faults == 2 && bounds.revs == 5;
    let limits = limits(if promised { 400_000_000 } else { 50_000_000 });
    let mut model = Model::new(bounds, None);
    let swept = sweep(&mut model, limits, |_, _| {});
    told::swept("core", &bounds, &swept);
    assert_eq!(model.overflow, 0, "a swap was forgotten for want of room");
    if let Some(broken) = swept.broken.first() {
        panic!("{broken}\n{}", shortest(bounds, limits));
    }
    // A slower machine reaches less of the deep ones, and that breaks nothing.
    assert!(swept.complete || is_deep(), "too wide for the gate");
}

/// Nodes, writes, revisions, faults, switchovers.
pub(crate) fn bounds([nodes, writes, revs, faults, wishes]: [u8; 5], start: Start) -> Bounds {
    Bounds {
        nodes,
        writes,
        revs: revs.into(),
        epochs: revs.into(),
        faults,
        wishes,
        asked: Asked::Switchover,
        policy: Policy::TwoCopies,
        undecided: true,
        delayed: false,
        start,
        reductions: Reductions::ALL,
    }
}

macro_rules! explorations {
    ($($test:ident: $start:ident, $gate:expr, deep $deep:expr;)*) => {
        $(
            #[test]
            fn $test() {
                hold(bounds($gate, Start::$start), bounds($deep, Start::$start));
            }
        )*
    };
}

explorations! {
    revisions_hold: Protected, [2, 1, 3, 0, 0], deep [2, 2, 5, 2, 0];
    writes_hold: Protected, [2, 2, 1, 0, 0], deep [2, 2, 6, 1, 0];
    a_fault_holds: Protected, [2, 1, 1, 1, 0], deep [2, 1, 6, 2, 0];
    faults_hold: Protected, [2, 1, 0, 2, 0], deep [2, 2, 3, 2, 0];
    growth_holds: Alone, [2, 1, 2, 0, 0], deep [2, 2, 6, 1, 0];
    growth_with_faults_holds: Alone, [2, 1, 0, 1, 0], deep [2, 2, 4, 2, 0];
    switchover_holds: Protected, [2, 1, 3, 0, 1], deep [2, 2, 4, 1, 1];
    three_nodes_hold: Protected, [3, 1, 0, 0, 0], deep [3, 1, 1, 0, 0];
    three_nodes_with_a_fault_hold: Protected, [3, 0, 0, 1, 0], deep [3, 1, 0, 1, 0];
    three_nodes_half_in_sync_hold: Half, [3, 0, 0, 0, 0], deep [3, 1, 1, 0, 0];
}

#[test]
fn what_comes_between_a_decision_and_its_first_step_breaks_nothing() {
    let delayed = |most| Bounds {
        delayed: true,
        ..bounds(most, Start::Protected)
    };
    hold(delayed([2, 1, 2, 0, 0]), delayed([2, 1, 2, 1, 0]));
}

#[test]
fn strict_durability_holds() {
    let strict = |most| Bounds {
        policy: Policy::Strict,
        ..bounds(most, Start::Protected)
    };
    hold(strict([2, 1, 1, 0, 0]), strict([2, 2, 3, 1, 0]));
}

#[test]
fn strict_durability_of_one_alone_holds() {
    let strict = |most| Bounds {
        policy: Policy::Strict,
        ..bounds(most, Start::Alone)
    };
    hold(strict([2, 1, 2, 0, 0]), strict([2, 2, 4, 1, 0]));
}

#[test]
fn a_pause_holds() {
    let paused = |most| Bounds {
        policy: Policy::Paused,
        ..bounds(most, Start::Protected)
    };
    hold(paused([2, 1, 1, 1, 0]), paused([2, 2, 3, 2, 0]));
}

/// `failover --to` without `--accept-loss` loses nothing.
#[test]
fn the_operators_failover_holds() {
    let ordered = |most, start| Bounds {
        asked: Asked::Failover,
        ..bounds(most, start)
    };
    let (gate, deep) = ([2, 1, 0, 1, 1], [2, 2, 3, 1, 1]);
    hold(
        ordered(gate, Start::Protected),
        ordered(deep, Start::Protected),
    );
    let (gate, deep) = ([2, 1, 1, 0, 1], [2, 2, 3, 1, 1]);
    hold(ordered(gate, Start::Alone), ordered(deep, Start::Alone));
}
