//! Random walks through clusters too large to be exhausted.

use std::time::Duration;

use crate::bounds::{Bounds, Start};
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
};

/// How many walks, how long each, and after what time no further one is begun.
pub(crate) fn hold(walks: u64, length: usize, limit: Duration) {
    for (at, start) in [Start::Protected, Start::Half, Start::Alone]
        .into_iter()
        .enumerate()
    {
        let bounds = Bounds { start, ..LARGE };
        let seeds = at as u64 * walks..(at as u64 + 1) * walks;
        let make = || Model::new(bounds, None);
        let (found, mut model) = search::walk(make, seeds, length, limit);
        told::figures("walks", &bounds, &found);
        if let Some(counterexample) = &found.counterexample {
            panic!("{}", told::path(&mut model, counterexample));
        }
    }
}

#[test]
fn random_walks_hold() {
    hold(200, 120, Duration::from_mins(1));
}
