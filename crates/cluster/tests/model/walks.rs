//! Random walks through clusters too large to be exhausted.

use std::time::Duration;

use crate::bounds::{Bounds, Reductions, Start};
use crate::exhaustive::is_deep;
use crate::model::Model;
use crate::search;
use crate::told;

const LARGE: Bounds = Bounds {
    nodes: 3,
    writes: 4,
    revs: 14,
    epochs: 8,
    faults: 4,
    wishes: 2,
    undecided: true,
    delayed: false,
    start: Start::Protected,
    reductions: Reductions::ALL,
};

/// Steps of one walk.
const LENGTH: usize = 120;

#[test]
fn random_walks_hold() {
    let (walks, limit) = if is_deep() {
        (10_000_000, Duration::from_mins(1))
    } else {
        (200, Duration::from_mins(5))
    };
    let starts = [Start::Protected, Start::Half, Start::Alone];
    for (at, start) in starts.into_iter().enumerate() {
        let bounds = Bounds { start, ..LARGE };
        let seeds = at as u64 * walks..(at as u64 + 1) * walks;
        let make = || Model::new(bounds, None);
        let (found, mut model) = search::walk(make, seeds, LENGTH, limit);
        told::figures("walks", &bounds, &found);
        if let Some(counterexample) = &found.counterexample {
            panic!("{}", told::path(&mut model, counterexample));
        }
    }
}
