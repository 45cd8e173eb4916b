//! Every state within the bounds, shortest paths first; and random walks beyond them.

use std::hash::{Hash, Hasher};
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::dice::Dice;
use crate::intern::Mixer;
use crate::model::{Model, Step};
use crate::state::State;

/// What an exploration came to.
pub(crate) struct Found {
    /// Different ones; of walks, how many walks.
    pub(crate) states: usize,
    pub(crate) steps: u64,
    pub(crate) depth: usize,
    pub(crate) took: Duration,
    /// Nothing was left out: neither the limit of states nor that of time was met.
    pub(crate) complete: bool,
    pub(crate) counterexample: Option<Counterexample>,
}

pub(crate) struct Counterexample {
    pub(crate) broken: &'static str,
    pub(crate) steps: Vec<Step>,
}

/// Where it stops short of the bounds.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) states: usize,
    pub(crate) time: Duration,
    /// A sweep goes on after a broken invariant, unless it is this one.
    pub(crate) until: Option<&'static str>,
}

/// States in the order in which they were found, and an open-addressing table of their places.
struct Visited {
    states: Vec<State>,
    parents: Vec<u32>,
    places: Vec<u32>,
}

impl Visited {
    fn new() -> Self {
        Self {
            states: Vec::new(),
            parents: Vec::new(),
            places: vec![0; 1 << 16],
        }
    }

    fn slot(&self, state: &State) -> Result<usize, usize> {
        let mut hasher = Mixer::default();
        state.hash(&mut hasher);
        let mask = self.places.len() - 1;
        let mut at = hasher.finish() as usize & mask;
        loop {
            match self.places[at] {
                0 => return Err(at),
                place if self.states[place as usize - 1] == *state => return Ok(at),
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn insert(&mut self, state: State, parent: u32) {
        let Err(at) = self.slot(&state) else { return };
        self.states.push(state);
        self.parents.push(parent);
        self.places[at] = self.states.len() as u32;
        if self.states.len() * 2 > self.places.len() {
            self.places = vec![0; self.places.len() * 2];
            for index in 0..self.states.len() {
                let at = self
                    .slot(&self.states[index])
                    .expect_err("each is there once");
                self.places[at] = index as u32 + 1;
            }
        }
    }
}

/// Breadth first, so that the first counterexample is a shortest one.
pub(crate) fn exhaust(model: &mut Model, limits: Limits) -> Found {
    let begun = Instant::now();
    let mut visited = Visited::new();
    let start = model.start();
    visited.insert(model.fold(&start), u32::MAX);
    let mut found = Found {
        states: 0,
        steps: 0,
        depth: 0,
        took: Duration::ZERO,
        complete: true,
        counterexample: None,
    };
    let mut enabled = Vec::new();
    let (mut at, mut level_ends) = (0, 1);
    while at < visited.states.len() {
        if at == level_ends {
            found.depth += 1;
            level_ends = visited.states.len();
        }
        if visited.states.len() > limits.states || (at % 4096 == 0 && begun.elapsed() > limits.time)
        {
            found.complete = false;
            break;
        }
        let full = model.unfold(&visited.states[at]);
        model.enabled(&full, &mut enabled);
        for step in &enabled {
            let mut next = full;
            model.take(&mut next, *step);
            found.steps += 1;
            if let Some(broken) = model.violation {
                let mut path = path_to(model, &visited, at as u32);
                path.push(*step);
                found.depth = path.len();
                found.counterexample = Some(Counterexample {
                    broken,
                    steps: path,
                });
                (found.states, found.took) = (visited.states.len(), begun.elapsed());
                return found;
            }
            let state = model.fold(&next);
            visited.insert(state, at as u32);
        }
        at += 1;
    }
    (found.states, found.took) = (visited.states.len(), begun.elapsed());
    found
}

fn path_to(model: &mut Model, visited: &Visited, mut at: u32) -> Vec<Step> {
    let mut path = Vec::new();
    let mut steps = Vec::new();
    while visited.parents[at as usize] != u32::MAX {
        let parent = visited.parents[at as usize];
        let full = model.unfold(&visited.states[parent as usize]);
        model.enabled(&full, &mut steps);
        let step = steps.iter().copied().find(|step| {
            let mut next = full;
            model.take(&mut next, *step);
            model.fold(&next) == visited.states[at as usize]
        });
        path.push(step.expect("a step led there"));
        at = parent;
    }
    path.reverse();
    path
}

/// Walks of `length` steps each; stops at the first counterexample.
pub(crate) fn walk(
    make: impl Fn() -> Model,
    seeds: Range<u64>,
    length: usize,
    limit: Duration,
) -> (Found, Model) {
    let begun = Instant::now();
    let mut model = make();
    let mut found = Found {
        states: 0,
        steps: 0,
        depth: length,
        took: Duration::ZERO,
        complete: false,
        counterexample: None,
    };
    let mut steps = Vec::new();
    found.complete = true;
    for seed in seeds {
        if begun.elapsed() > limit {
            found.complete = false;
            break;
        }
        if model.tables.is_full() {
            model = make();
        }
        let mut dice = Dice::new(seed);
        let mut full = model.start();
        let mut path = Vec::new();
        while path.len() < length {
            let Some(step) = model.any(&full, &mut steps, &mut dice) else {
                continue;
            };
            model.take(&mut full, step);
            found.steps += 1;
            path.push(step);
            if let Some(broken) = model.violation {
                found.counterexample = Some(Counterexample {
                    broken,
                    steps: path,
                });
                found.took = begun.elapsed();
                return (found, model);
            }
        }
        found.states += 1;
    }
    found.took = begun.elapsed();
    (found, model)
}
