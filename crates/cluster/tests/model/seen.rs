//! Which states have been seen, in eight bytes each: a fingerprint, and how little of the bounds had been
//! used up when it was.

use std::hash::{Hash, Hasher};

use crate::intern::Mixer;
use crate::state::{State, Used};

/// Bits of a fingerprint that are kept beside its place.
const TAG: u32 = 37;
/// For each number of faults and of writes, three bits: 7 less the fewest revisions; 0: never.
const CELL: u32 = 3;
const CELLS: u8 = 3;

/// An open-addressing table of a fixed size.
pub(crate) struct Seen {
    words: Vec<u64>,
    pub(crate) len: usize,
}

impl Seen {
    /// Room for `states`.
    pub(crate) fn new(states: usize) -> Self {
        let places = (states + states / 5).next_power_of_two();
        Self {
            words: vec![0; places],
            len: 0,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.words.len() * 8
    }

    pub(crate) fn is_full(&self) -> bool {
        self.len > self.words.len() / 8 * 7
    }

    /// The place of a state, and its tag where nothing is there yet.
    fn place(&self, state: &State) -> (usize, u64) {
        let mut hasher = Mixer::default();
        (state.nodes, state.rest, state.used.wishes).hash(&mut hasher);
        let first = hasher.finish();
        let mut second = Mixer::default();
        (first, state.used.wishes, state.rest, state.nodes[2]).hash(&mut second);
        (state.nodes[1], state.nodes[0]).hash(&mut second);
        let tag = second.finish() >> (64 - TAG) << (64 - TAG);
        let mask = self.words.len() - 1;
        let mut at = first as usize & mask;
        loop {
            match self.words[at] {
                0 => return (at, tag),
                word if word >> (64 - TAG) << (64 - TAG) == tag => return (at, tag),
                _ => at = (at + 1) & mask,
            }
        }
    }

    /// False: it was seen before with no more used up of anything.
    pub(crate) fn insert(&mut self, state: &State) -> bool {
        let (at, tag) = self.place(state);
        if self.words[at] == 0 {
            self.words[at] = tag;
            self.len += 1;
        } else if covered(self.words[at], state.used, 0) {
            return false;
        }
        let shift = shift(state.used);
        let word = self.words[at] & !(7 << shift);
        self.words[at] = word | u64::from(7 - state.used.revs) << shift;
        true
    }

    /// True: it has been seen with less used up of something and no more of anything.
    pub(crate) fn is_overtaken(&self, state: &State) -> bool {
        let (at, _) = self.place(state);
        covered(self.words[at], state.used, 1)
    }
}

fn shift(used: Used) -> u32 {
    u32::from(used.faults * CELLS + used.writes) * CELL
}

/// Whether something at most as used up is noted; with `less`, other than itself.
fn covered(word: u64, used: Used, less: u8) -> bool {
    for faults in 0..=used.faults {
        for writes in 0..=used.writes {
            let own = faults == used.faults && writes == used.writes;
            let at = shift(Used {
                faults,
                writes,
                ..used
            });
            let noted = (word >> at & 7) as u8;
            let most = used.revs.saturating_sub(if own { less } else { 0 });
            let none = own && less > used.revs;
            if noted > 0 && !none && 7 - noted <= most {
                return true;
            }
        }
    }
    false
}

/// True when the table can tell these bounds apart.
pub(crate) fn fits(faults: u8, writes: u8, revs: u64) -> bool {
    faults < CELLS && writes < CELLS && revs < 7
}
