//! Every state within the bounds, without the way to it: states from which only less can happen than from
//! one that was seen are passed over, and only fingerprints are kept of those that were.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::model::Model;
use crate::search::Limits;
use crate::seen::{self, Seen};
use crate::state::{NODES, State, Unfolded, Used};

/// What a sweep came to.
pub(crate) struct Swept {
    /// Those whose steps were all tried.
    pub(crate) states: usize,
    /// Different fingerprints.
    pub(crate) kept: usize,
    pub(crate) steps: u64,
    pub(crate) took: Duration,
    pub(crate) bytes: usize,
    /// Nothing was left out.
    pub(crate) complete: bool,
    pub(crate) broken: Vec<&'static str>,
}

/// A state that waits: its nodes and its rest by number.
type Waiting = ([u32; NODES], u32);

/// Tries every step from every state; `look` is shown each state once or more. Goes on after a broken
/// invariant, but not from there.
pub(crate) fn sweep(
    model: &mut Model,
    limits: Limits,
    mut look: impl FnMut(&Model, &Unfolded),
) -> Swept {
    let bounds = model.bounds;
    assert!(
        seen::fits(bounds.faults, bounds.writes, bounds.revs),
        "too wide for the table"
    );
    assert!(bounds.epochs >= bounds.revs, "epochs are not counted");
    let begun = Instant::now();
    let mut seen = Seen::new(limits.states);
    // Least used up first: so that few states are overtaken later.
    let mut waiting: BTreeMap<Used, Vec<Waiting>> = BTreeMap::new();
    let mut swept = Swept {
        states: 0,
        kept: 0,
        steps: 0,
        took: Duration::ZERO,
        bytes: 0,
        complete: true,
        broken: Vec::new(),
    };
    let start = model.start();
    let start = model.fold(&start);
    push(&mut seen, &mut waiting, start);
    let mut enabled = Vec::new();
    'all: while let Some((used, mut states)) = waiting.pop_first() {
        while let Some((nodes, rest)) = states.pop() {
            let state = State { nodes, rest, used };
            if seen.is_overtaken(&state) {
                continue;
            }
            let met = limits
                .until
                .is_some_and(|until| swept.broken.contains(&until));
            if met
                || seen.is_full()
                || (swept.states.is_multiple_of(4096) && begun.elapsed() > limits.time)
            {
                swept.complete = false;
                break 'all;
            }
            swept.states += 1;
            let full = model.unfold(&state);
            look(model, &full);
            model.enabled(&full, &mut enabled);
            for step in &enabled {
                let mut next = full;
                model.take(&mut next, *step);
                swept.steps += 1;
                if let Some(broken) = model.violation {
                    if !swept.broken.contains(&broken) {
                        swept.broken.push(broken);
                    }
                    continue;
                }
                let mut next = model.fold(&next);
                next.used.epochs = 0;
                if next.used == used {
                    if seen.insert(&next) {
                        states.push((next.nodes, next.rest));
                    }
                } else {
                    push(&mut seen, &mut waiting, next);
                }
            }
        }
    }
    let frontier: usize = waiting.values().map(Vec::capacity).sum();
    swept.bytes = seen.bytes() + frontier * size_of::<Waiting>();
    (swept.kept, swept.took) = (seen.len, begun.elapsed());
    swept
}

fn push(seen: &mut Seen, waiting: &mut BTreeMap<Used, Vec<Waiting>>, state: State) {
    if seen.insert(&state) {
        let place = waiting.entry(state.used).or_default();
        place.push((state.nodes, state.rest));
    }
}
