//! What a simulation counts.

use std::collections::BTreeMap;

use crate::clock::Micros;
use crate::fault::Kind;

/// Counts of one seed, or of many together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events taken from the queue.
    pub events: u64,
    /// Decisions of the core.
    pub decisions: u64,
    /// Actions carried out, or tried.
    pub actions: u64,
    /// Letters between agents.
    pub letters: u64,
    /// Swaps that won.
    pub swaps: u64,
    /// Swaps without an answer.
    pub undecided: u64,
    /// Writes that a server acknowledged.
    pub acknowledged: u64,
    /// Writes that a client was told to be done.
    pub told: u64,
    /// Writes of which a client heard nothing.
    pub unknown: u64,
    /// Writes that were refused.
    pub refused: u64,
    /// Changes of primary, and of what kind.
    pub changes: u64,
    /// Unplanned ones.
    pub failovers: u64,
    /// Planned ones.
    pub switchovers: u64,
    /// Those with a loss that the operator accepted.
    pub forced: u64,
    /// Wishes of the operator.
    pub wishes: u64,
    /// How often healing needed the operator's word.
    pub words: u64,
    /// Simulated time, in microseconds.
    pub simulated: Micros,
    /// From the last mending until all was protected and serving; the greatest.
    pub healed_in: Micros,
    /// Longest time in which nobody's write was acknowledged; the greatest.
    pub longest_gap: Micros,
    /// Faults by kind.
    pub faults: BTreeMap<Kind, u64>,
}

impl Tally {
    /// Adds another seed's counts.
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.decisions += other.decisions;
        self.actions += other.actions;
        self.letters += other.letters;
        self.swaps += other.swaps;
        self.undecided += other.undecided;
        self.acknowledged += other.acknowledged;
        self.told += other.told;
        self.unknown += other.unknown;
        self.refused += other.refused;
        self.changes += other.changes;
        self.failovers += other.failovers;
        self.switchovers += other.switchovers;
        self.forced += other.forced;
        self.wishes += other.wishes;
        self.words += other.words;
        self.simulated += other.simulated;
        self.healed_in = self.healed_in.max(other.healed_in);
        self.longest_gap = self.longest_gap.max(other.longest_gap);
        for (kind, count) in &other.faults {
            *self.faults.entry(*kind).or_insert(0) += count;
        }
    }
}
