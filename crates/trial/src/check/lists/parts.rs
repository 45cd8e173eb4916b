//! The points at which transactions happen: the look of each, its act, and between which times
//! each lies.

use std::time::Duration;

use super::known::Known;
use crate::{Action, Outcome, Transaction};

/// Which point of its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Point {
    /// The snapshot of its plain reads.
    Look,
    /// Everything else: what it locks.
    Act,
}

/// One point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Part {
    /// The transaction's index.
    pub(super) of: usize,
    pub(super) point: Point,
    /// Not earlier.
    pub(super) start: Duration,
    /// Not later; `None`: nobody knows.
    pub(super) end: Option<Duration>,
}

/// All of them.
#[derive(Debug)]
pub(super) struct Parts {
    pub(super) all: Vec<Part>,
    /// By transaction: its look and its act.
    of: Vec<(Option<u32>, Option<u32>)>,
}

impl Parts {
    pub(super) fn of(known: &Known) -> Self {
        let mut parts = Self {
            all: Vec::new(),
            of: Vec::with_capacity(known.transactions.len()),
        };
        for (index, done) in known.transactions.iter().enumerate() {
            let look = look(index, done).map(|part| parts.push(part));
            let act = act(index, done, known.is_done[index]).map(|part| parts.push(part));
            parts.of.push((look, act));
        }
        parts
    }

    pub(super) fn find(&self, of: usize, point: Point) -> Option<u32> {
        let (look, act) = self.of.get(of)?;
        match point {
            Point::Look => *look,
            Point::Act => *act,
        }
    }

    pub(super) fn get(&self, number: u32) -> Option<&Part> {
        self.all.get(number as usize)
    }

    fn push(&mut self, part: Part) -> u32 {
        self.all.push(part);
        u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
    }
}

/// The first plain read makes the snapshot. Why it may be as early as the first statement: with
/// `innodb_snapshot_isolation` a locking statement makes it too. Why as late as the last plain read: a gateway
/// that loses the primary runs the transaction again on the next one, when all that was read so far is
/// read there, too, and the snapshot is of then.
fn look(index: usize, done: &Transaction) -> Option<Part> {
    let is_plain = |action: &Action| matches!(action, Action::Read { locks: false, .. });
    let last_plain = done.steps.iter().rfind(|step| is_plain(&step.action))?;
    Some(Part {
        of: index,
        point: Point::Look,
        start: done.steps.first()?.sent,
        end: Some(last_plain.answered),
    })
}

/// A transaction that took effect acts when it commits. One that did not append, or did not take
/// effect, held all its locks from its last locking read until its last read was answered.
fn act(index: usize, done: &Transaction, is_done: bool) -> Option<Part> {
    let part = |start, end| {
        Some(Part {
            of: index,
            point: Point::Act,
            start,
            end,
        })
    };
    let appends = done.appends().next().is_some();
    if is_done && appends {
        let start = done
            .committing
            .or(done.steps.last().map(|step| step.sent))?;
        let end = (done.outcome == Outcome::Ok).then_some(done.returned);
        return part(start, end);
    }
    let is_read = |action: &Action| matches!(action, Action::Read { .. });
    let locked = |number: &usize| match &done.steps[*number].action {
        Action::Append { .. } => false,
        Action::Read { key, locks, .. } => *locks || has_appended(done, *number, *key),
    };
    let last_locked = (0..done.steps.len()).rev().find(locked)?;
    let last_read = done.steps.iter().rfind(|step| is_read(&step.action))?;
    part(done.steps[last_locked].sent, Some(last_read.answered))
}

/// Before that step it has appended to the list.
pub(super) fn has_appended(done: &Transaction, step: usize, key: crate::Key) -> bool {
    let before = &done.steps[..step];
    before
        .iter()
        .any(|step| matches!(step.action, Action::Append { key: own, .. } if own == key))
}
