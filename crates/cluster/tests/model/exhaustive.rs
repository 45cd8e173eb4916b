//! The core as it is: no state within the bounds breaks an invariant. Each direction has bounds for the
//! gate, which are exhausted, and deep ones for `cargo xtask model --deep`, which are explored as far as
//! five minutes and some gigabytes reach; whether that was all is printed.

use std::time::Duration;

use crate::bounds::{Bounds, Reductions, Start};
use crate::model::Model;
use crate::search::{self, Limits};
use crate::sweep::sweep;
use crate::told;

/// True for the deep run.
pub(crate) fn is_deep() -> bool {
    std::env::var_os("MODEL_DEEP").is_some()
}

const LIMITS: Limits = Limits {
    states: 25_000_000,
    time: Duration::from_mins(5),
};

fn hold(gate: Bounds, deep: Bounds) {
    let bounds = if is_deep() { deep } else { gate };
    let mut model = Model::new(bounds, None);
    let swept = sweep(&mut model, LIMITS, |_, _| {});
    told::swept("core", &bounds, &swept);
    assert_eq!(model.overflow, 0, "a swap was forgotten for want of room");
    if let Some(broken) = swept.broken.first() {
        let found = search::exhaust(&mut Model::new(bounds, None), LIMITS);
        let path = found
            .counterexample
            .map(|found| told::path(&mut model, &found));
        panic!("{broken}\n{}", path.unwrap_or_default());
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
    revisions_hold: Protected, [2, 1, 3, 0, 0], deep [2, 2, 5, 0, 0];
    writes_hold: Protected, [2, 2, 1, 0, 0], deep [2, 2, 2, 1, 0];
    a_fault_holds: Protected, [2, 1, 1, 1, 0], deep [2, 1, 3, 1, 0];
    faults_hold: Protected, [2, 1, 0, 2, 0], deep [2, 1, 2, 2, 0];
    growth_holds: Alone, [2, 1, 2, 0, 0], deep [2, 1, 3, 1, 0];
    growth_with_faults_holds: Alone, [2, 1, 0, 1, 0], deep [2, 1, 2, 2, 0];
    switchover_holds: Protected, [2, 1, 2, 0, 1], deep [2, 1, 2, 1, 1];
    three_nodes_hold: Protected, [3, 1, 0, 0, 0], deep [3, 1, 1, 0, 0];
    three_nodes_with_a_fault_hold: Protected, [3, 0, 0, 1, 0], deep [3, 1, 0, 1, 0];
}

#[test]
fn what_comes_between_a_decision_and_its_first_step_breaks_nothing() {
    let delayed = |most| Bounds {
        delayed: true,
        ..bounds(most, Start::Protected)
    };
    hold(delayed([2, 1, 2, 0, 0]), delayed([2, 1, 2, 1, 0]));
}
