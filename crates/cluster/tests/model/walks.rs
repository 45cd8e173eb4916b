//! Random walks through clusters too large to be exhausted.

use std::time::Duration;

use crate::asked::number;
use crate::bounds::{Asked, Bounds, Policy, Reductions, Start};
use crate::exhaustive::is_deep;
use crate::model::Model;
use crate::mutation::Mutation;
use crate::search;
use crate::told;

const LARGE: Bounds = Bounds {
    nodes: 3,
    writes: 4,
    revs: 14,
    epochs: 8,
    faults: 4,
    wishes: 2,
    asked: Asked::Switchover,
    policy: Policy::TwoCopies,
    undecided: true,
    delayed: false,
    start: Start::Protected,
    // Two ways to be wrong are better than one.
    reductions: Reductions::NONE,
};

/// Steps of one walk.
const LENGTH: usize = 120;

fn walker(bounds: Bounds, mutation: Option<Mutation>) -> Model {
    let mut model = Model::new(bounds, mutation);
    model.tables.remembers = false;
    model
}

#[test]
fn random_walks_hold() {
    let (walks, limit) = if is_deep() {
        (1_000_000, Duration::from_mins(number("MODEL_MINUTES", 15)))
    } else {
        (200, Duration::from_mins(5))
    };
    let starts = [Start::Protected, Start::Half, Start::Alone];
    for (at, start) in starts.into_iter().enumerate() {
        let bounds = Bounds { start, ..LARGE };
        let seeds = at as u64 * walks..(at as u64 + 1) * walks;
        let make = || walker(bounds, None);
        let (found, mut model) = search::walk(make, seeds, LENGTH, limit);
        told::walks(&bounds, &found);
        if let Some(counterexample) = &found.counterexample {
            panic!("{}", told::path(&mut model, counterexample));
        }
    }
}

/// Walks are worth something only if they meet what is wrong.
#[test]
fn random_walks_break_mutations() {
    for mutation in [
        Mutation::SemiSyncOffBeforeTheSwap,
        Mutation::OwnPromiseAlone,
        Mutation::ReclaimTruncated,
        Mutation::SwapBeforeApplied,
    ] {
        let make = || walker(LARGE, Some(mutation));
        let (found, _) = search::walk(make, 0..5_000, LENGTH, Duration::from_mins(5));
        println!("walks: {mutation:?} broken after {} walks", found.states);
        assert!(found.counterexample.is_some(), "{mutation:?}");
    }
}
