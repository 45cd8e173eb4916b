//! Transactions over lists, checked for what one InnoDB server promises. Pure: no clock, no server.
//!
//! A transaction has at most two points at which it happens. Its *look*: all plain reads show one
//! snapshot. Its *act*: appends, locking reads, and reads of what it has itself appended to show the
//! newest state and lock it, so they happen together when it commits. Looks and acts of all
//! transactions must have one order that explains every read, and that keeps to the clock: what was
//! acknowledged before something was sent comes before it. That is exactly REPEATABLE READ
//! (without `innodb_snapshot_isolation`: a transaction may write over what its snapshot does not
//! have), and strict serializability for transactions that only lock, or only look.

mod clock;
mod components;
mod cycle;
mod edges;
mod ends;
mod known;
mod parts;
mod reads;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use super::{anomaly::Anomaly, image::Image, violation::Violation};
use crate::History;
use known::Known;

/// What plain reads are promised to see of what was acknowledged before they were sent. Locking
/// reads and writes always see all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Consistency {
    /// Everything: they go to the primary.
    #[default]
    Primary,
    /// What the same connection has written.
    Connection,
    /// Nothing in particular, but one state that once was.
    None,
}

/// Holds every transaction against the others and against what the nodes have in the end. Without
/// images the longest read of each list stands for its end.
pub fn check_transactions(
    history: &History,
    images: &[Image],
    reads: Consistency,
) -> Vec<Violation> {
    let known = Known::of(history, images);
    let mut found = Found::default();
    for image in images {
        ends::check(&known, image, &mut found);
    }
    ends::check_orders(&known, &mut found);
    let parts = parts::Parts::of(&known);
    let sights = reads::check(&known, &parts, &mut found);
    let graph = edges::build(&known, &parts, &sights, reads);
    let mut cycles = cycle::Cycles::of(&known, &parts, &graph);
    cycles.check(&mut found);
    clock::check(&known, &parts, &sights, reads, &mut found);
    cycles.check_with_clock(&mut found);
    found.violations
}

/// What was found so far.
#[derive(Debug, Default)]
struct Found {
    violations: Vec<Violation>,
    /// What was already told, so that a thousand reads of one wrong element are told once.
    told: BTreeSet<(Anomaly, u64)>,
    /// Parts that something was found about: cycles through them add nothing.
    parts: BTreeSet<u32>,
}

impl Found {
    fn add(&mut self, anomaly: Anomaly, what: String) {
        self.violations.push(Violation::Anomaly { anomaly, what });
    }

    /// The same, once for each subject.
    fn add_once(&mut self, anomaly: Anomaly, subject: u64, what: impl FnOnce() -> String) {
        if self.told.insert((anomaly, subject)) {
            self.add(anomaly, what());
        }
    }
}
