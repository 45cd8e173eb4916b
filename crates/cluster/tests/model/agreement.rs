//! The reductions leave nothing out that counts: with each of them and without, the same invariants are
//! broken by each mutation, and the same situations are reached.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use cluster::{Mode, Receiving};

use crate::bounds::{Bounds, Reductions, Start};
use crate::exhaustive::{bounds, is_deep};
use crate::model::Model;
use crate::mutation::Mutation;
use crate::search::Limits;
use crate::state::{Apply, NODES, Node, State, Unfolded};
use crate::sweep::sweep;
use crate::{mutation, mutations};

/// What an exploration met.
#[derive(Debug, Default, PartialEq, Eq)]
struct Met {
    broken: BTreeSet<&'static str>,
    situations: HashSet<Situation>,
    states: HashSet<State>,
}

/// What the invariants ask for, by no names but which node is primary.
type Situation = ([Seen; NODES], u32, bool, usize);

/// One node, seen from the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Seen {
    server: [bool; 7],
    follows_primary: Option<(bool, Mode)>,
    receiving: Receiving,
    applying: Apply,
    /// In sync with its present ids; with others; not.
    named: Option<bool>,
    log: u8,
    relay: u8,
    waiting: bool,
    lacks: u32,
}

fn situation(model: &Model, full: &Unfolded) -> Situation {
    let primary = model.primary(full);
    let others = (0..NODES).filter(|at| *at != primary);
    let mut nodes = std::iter::once(primary).chain(others);
    let first = nodes.next().map(|at| seen(model, full, &full.nodes[at]));
    let first = first.expect("a primary");
    let mut all = [first; NODES];
    for (place, at) in (1..).zip(nodes) {
        all[place] = seen(model, full, &full.nodes[at]);
    }
    let ledger = model.tables.documents.get(full.rest.ledger);
    let floating = full.rest.floating.iter().filter(|n| **n != 0).count();
    let claims = ledger.primary_data.0 == u128::from(full.nodes[primary].data);
    (all, full.rest.acked.count_ones(), claims, floating)
}

fn seen(model: &Model, full: &Unfolded, node: &Node) -> Seen {
    let ledger = model.tables.documents.get(full.rest.ledger);
    let database = &node.database;
    let name = &model.tables.names[node.me as usize];
    let current = |link: crate::state::Link| u64::from(link.epoch) == ledger.epoch;
    Seen {
        server: [
            database.has_data,
            database.running,
            database.read_only,
            database.semi_sync,
            database.replica_settings,
            database.salvage,
            database.connected,
        ],
        follows_primary: database.source.map(|link| {
            (
                link.to as usize == model.primary(full) && current(link),
                link.mode,
            )
        }),
        receiving: database.receiving,
        applying: database.applying,
        named: ledger.in_sync.get(name).map(|stamp| *stamp == node.stamp()),
        log: database.log.len,
        relay: database.relay.len,
        waiting: database.waiting(),
        lacks: (full.rest.acked & !database.holds().writes()).count_ones(),
    }
}

/// How far an exploration goes: to the end of the level at which an invariant is broken, and no further
/// than so many levels or, when a level ends, states.
#[derive(Clone, Copy)]
struct Reach {
    levels: usize,
    states: usize,
}

/// Level by level; every state is kept as it is, and none is passed over. With the levels reached.
fn plainly(
    bounds: Bounds,
    reductions: Reductions,
    mutation: Option<Mutation>,
    reach: Reach,
) -> (Met, usize) {
    let bounds = Bounds {
        reductions,
        ..bounds
    };
    let mut model = Model::new(bounds, mutation);
    let mut met = Met::default();
    let start = model.start();
    let mut level = vec![model.fold(&start)];
    let mut levels = 0;
    let mut enabled = Vec::new();
    while !level.is_empty()
        && levels < reach.levels
        && met.states.len() < reach.states
        && met.broken.is_empty()
    {
        levels += 1;
        for state in std::mem::take(&mut level) {
            let full = model.unfold(&state);
            met.situations.insert(situation(&model, &full));
            model.enabled(&full, &mut enabled);
            for step in &enabled {
                let mut next = full;
                model.take(&mut next, *step);
                if let Some(broken) = model.violation {
                    met.broken.insert(broken);
                    continue;
                }
                let next = model.fold(&next);
                if met.states.insert(next) {
                    level.push(next);
                }
            }
        }
    }
    (met, levels)
}

/// With every reduction, as the deep explorations do it.
fn swept(bounds: Bounds, mutation: Option<Mutation>, limits: Limits) -> Met {
    let mut model = Model::new(bounds, mutation);
    let mut met = Met::default();
    let swept = sweep(&mut model, limits, |model, full| {
        met.situations.insert(situation(model, full));
    });
    met.broken = swept.broken.into_iter().collect();
    met
}

/// One reduction at a time.
fn each() -> [Reductions; 3] {
    let none = Reductions::NONE;
    let heard = Reductions {
        heard: true,
        ..none
    };
    let names = Reductions {
        names: true,
        ..none
    };
    let swap = Reductions {
        swap: true,
        ..names
    };
    [heard, names, swap]
}

fn agree(bounds: Bounds, mutation: Option<Mutation>, reach: Reach) -> Met {
    let (full, levels) = plainly(bounds, Reductions::NONE, mutation, reach);
    let reach = Reach {
        levels,
        states: usize::MAX,
    };
    for reductions in each() {
        let (met, _) = plainly(bounds, reductions, mutation, reach);
        assert_eq!(met.broken, full.broken, "{mutation:?} with {reductions:?}");
        assert_eq!(
            met.situations, full.situations,
            "{mutation:?} with {reductions:?}"
        );
    }
    full
}

/// In the gate the longer ways are compared as far as a few thousand states go.
#[test]
fn every_mutation_breaks_the_same_with_and_without_each_reduction() {
    let states = if is_deep() { usize::MAX } else { 4_000 };
    for mutation in mutation::ALL {
        let bounds = mutations::small(mutation);
        let reach = Reach {
            levels: usize::MAX,
            states,
        };
        let full = agree(bounds, Some(mutation), reach);
        println!(
            "{mutation:?}: {} states, {:?}",
            full.states.len(),
            full.broken
        );
        if let Some(broken) = full.broken.first() {
            let limits = Limits {
                states: if is_deep() { 16_000_000 } else { 20_000 },
                until: Some(broken),
                time: Duration::from_mins(5),
            };
            let swept = swept(bounds, Some(mutation), limits);
            println!("  swept: {:?}", swept.broken);
            let found = swept.broken.contains(broken);
            assert!(found || !is_deep(), "{mutation:?}: {broken}");
        }
    }
}

/// All of them, to the end.
#[test]
fn the_same_situations_are_reached_with_and_without_each_reduction() {
    let (revs, nodes) = if is_deep() { (1, 3) } else { (0, 2) };
    let all = [
        bounds([2, 1, revs, 1, 0], Start::Protected),
        bounds([2, 1, 1, 0, revs], Start::Protected),
        bounds([2, 2, revs, 0, 0], Start::Alone),
        bounds([nodes, 1, 0, 0, 0], Start::Half),
    ];
    for bounds in all {
        let reach = Reach {
            levels: usize::MAX,
            states: usize::MAX,
        };
        let full = agree(bounds, None, reach);
        println!(
            "{bounds:?}: {} states, {} situations",
            full.states.len(),
            full.situations.len()
        );
        let limits = Limits {
            states: full.states.len(),
            until: None,
            time: Duration::from_mins(5),
        };
        let swept = swept(bounds, None, limits);
        assert_eq!(swept.broken, full.broken);
        assert_eq!(swept.situations, full.situations);
    }
}
