//! The deep run, `cargo xtask model --deep`: as far as time and memory reach.

use std::time::Duration;

use crate::bounds::{Bounds, Start};
use crate::exhaustive::{SMALL, holds};
use crate::search::Limits;
use crate::walks;

const LIMITS: Limits = Limits {
    states: 80_000_000,
    time: Duration::from_mins(5),
};

fn explore(bounds: Bounds) {
    // Whether it was all is printed: a slower machine reaches less, and that breaks nothing.
    holds(bounds, LIMITS);
}

#[test]
#[ignore = "minutes: cargo xtask model --deep"]
fn deep_two_nodes_one_fault() {
    explore(Bounds { faults: 1, ..SMALL });
}

#[test]
#[ignore = "minutes: cargo xtask model --deep"]
fn deep_two_nodes_two_faults() {
    let (revs, faults) = (1, 2);
    explore(Bounds {
        revs,
        faults,
        ..SMALL
    });
}

#[test]
#[ignore = "minutes: cargo xtask model --deep"]
fn deep_two_nodes_five_revisions() {
    let (revs, epochs) = (5, 5);
    explore(Bounds {
        revs,
        epochs,
        ..SMALL
    });
}

#[test]
#[ignore = "minutes: cargo xtask model --deep"]
fn deep_two_nodes_two_writes() {
    let (writes, revs) = (2, 4);
    explore(Bounds {
        writes,
        revs,
        ..SMALL
    });
}

#[test]
#[ignore = "minutes: cargo xtask model --deep"]
fn deep_two_nodes_that_grow() {
    let (start, faults) = (Start::Alone, 1);
    explore(Bounds {
        revs: 1,
        faults,
        start,
        ..SMALL
    });
}

#[test]
#[ignore = "minutes: cargo xtask model --deep"]
fn deep_switchover_with_a_fault() {
    let (revs, faults, wishes) = (1, 1, 1);
    explore(Bounds {
        revs,
        faults,
        wishes,
        ..SMALL
    });
}

#[test]
#[ignore = "minutes: cargo xtask model --deep"]
fn deep_three_nodes() {
    explore(Bounds {
        nodes: 3,
        revs: 1,
        ..SMALL
    });
}

#[test]
#[ignore = "minutes: cargo xtask model --deep"]
fn deep_random_walks() {
    walks::hold(10_000_000, 120, Duration::from_mins(3));
}
