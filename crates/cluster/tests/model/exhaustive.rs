//! The core as it is: no state within the bounds breaks an invariant.

use std::time::Duration;

use crate::bounds::{Bounds, Start};
use crate::model::Model;
use crate::search::{self, Limits};
use crate::told;

pub(crate) const SMALL: Bounds = Bounds {
    nodes: 2,
    writes: 1,
    revs: 2,
    epochs: 2,
    faults: 0,
    wishes: 0,
    undecided: true,
    delayed: false,
    start: Start::Protected,
};

/// Explores it; true when nothing within the bounds was left out.
pub(crate) fn holds(bounds: Bounds, limits: Limits) -> bool {
    let mut model = Model::new(bounds, None);
    let found = search::exhaust(&mut model, limits);
    told::figures("core", &bounds, &found);
    if let Some(counterexample) = &found.counterexample {
        panic!("{}", told::path(&mut model, counterexample));
    }
    assert_eq!(model.overflow, 0, "a swap was forgotten for want of room");
    found.complete
}

/// All of it.
fn all_holds(bounds: Bounds) {
    let limits = Limits {
        states: 4_000_000,
        time: Duration::from_mins(5),
    };
    assert!(
        holds(bounds, limits),
        "the bounds are too wide for the gate"
    );
}

#[test]
fn two_nodes_without_faults_hold() {
    all_holds(SMALL);
    all_holds(Bounds { revs: 3, ..SMALL });
}

#[test]
fn two_nodes_that_grow_hold() {
    let start = Start::Alone;
    all_holds(Bounds { start, ..SMALL });
}

#[test]
fn two_nodes_with_a_fault_hold() {
    let (revs, faults) = (1, 1);
    all_holds(Bounds {
        revs,
        faults,
        ..SMALL
    });
}

#[test]
fn two_nodes_that_switch_over_hold() {
    all_holds(Bounds { wishes: 1, ..SMALL });
}

#[test]
fn three_nodes_hold() {
    all_holds(Bounds {
        nodes: 3,
        writes: 1,
        revs: 0,
        ..SMALL
    });
}

#[test]
fn what_comes_between_a_decision_and_its_first_step_breaks_nothing() {
    all_holds(Bounds {
        delayed: true,
        ..SMALL
    });
}
