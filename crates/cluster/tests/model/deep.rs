//! The deep run, `cargo xtask model --deep`: as far as five minutes and some gigabytes reach, in
//! several directions.

use std::time::Duration;

use crate::bounds::{Bounds, Start};
use crate::exhaustive::{SMALL, holds};
use crate::search::Limits;
use crate::walks;

/// About 4 GiB.
const LIMITS: Limits = Limits {
    states: 80_000_000,
    time: Duration::from_mins(5),
};

/// Whether it was all is printed: a slower machine reaches less, and that breaks nothing.
fn explore(bounds: Bounds) {
    holds(bounds, LIMITS);
}

macro_rules! deep {
    ($($test:ident: $nodes:literal nodes, $writes:literal writes, $revs:literal revisions, $faults:literal faults,
        $wishes:literal switchovers, $start:ident;)*) => {
        $(
            #[test]
            #[ignore = "minutes: cargo xtask model --deep"]
            fn $test() {
                explore(Bounds {
                    nodes: $nodes,
                    writes: $writes,
                    revs: $revs,
                    epochs: $revs,
                    faults: $faults,
                    wishes: $wishes,
                    start: Start::$start,
                    ..SMALL
                });
            }
        )*
    };
}

deep! {
    deep_faults: 2 nodes, 1 writes, 2 revisions, 2 faults, 0 switchovers, Protected;
    deep_one_fault: 2 nodes, 1 writes, 3 revisions, 1 faults, 0 switchovers, Protected;
    deep_two_writes: 2 nodes, 2 writes, 2 revisions, 1 faults, 0 switchovers, Protected;
    deep_revisions: 2 nodes, 2 writes, 5 revisions, 0 faults, 0 switchovers, Protected;
    deep_growth: 2 nodes, 1 writes, 3 revisions, 1 faults, 0 switchovers, Alone;
    deep_growth_faults: 2 nodes, 1 writes, 2 revisions, 2 faults, 0 switchovers, Alone;
    deep_switchover: 2 nodes, 1 writes, 2 revisions, 1 faults, 1 switchovers, Protected;
    deep_three: 3 nodes, 1 writes, 1 revisions, 0 faults, 0 switchovers, Protected;
    deep_three_fault: 3 nodes, 1 writes, 0 revisions, 1 faults, 0 switchovers, Protected;
}

#[test]
#[ignore = "minutes: cargo xtask model --deep"]
fn deep_random_walks() {
    walks::hold(10_000_000, 120, Duration::from_mins(1));
}

#[test]
#[ignore = "minutes: cargo xtask model --deep"]
fn deep_delayed() {
    let (faults, delayed) = (1, true);
    explore(Bounds {
        faults,
        delayed,
        ..SMALL
    });
}
