//! The record of one transaction over lists: what was sent, when, what was read, how it ended.
//! What it must look like on one server is asked in `check/lists.rs`.

use std::time::Duration;

use super::Outcome;

/// A list's number. Lists retire, their numbers are never used again.
pub type Key = u32;
/// What is appended. Every append of a load has its own.
pub type Element = u32;

/// How a transaction was run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// One statement, committed by itself.
    Single,
    /// `START TRANSACTION … COMMIT` at the default isolation, REPEATABLE READ; most of its reads
    /// are plain.
    Repeatable,
    /// The same, and every read is `FOR UPDATE`.
    Locking,
    /// At SERIALIZABLE: every read locks by itself.
    Serializable,
}

/// What one statement did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Appended an element.
    Append {
        /// To this list.
        key: Key,
        /// This.
        element: Element,
    },
    /// Read a list.
    Read {
        /// Which.
        key: Key,
        /// It locked what it read, until the transaction's end.
        locks: bool,
        /// What it held; empty also when there is no such row.
        seen: Box<[Element]>,
    },
}

impl Action {
    /// The list.
    pub fn key(&self) -> Key {
        match self {
            Self::Append { key, .. } | Self::Read { key, .. } => *key,
        }
    }
}

/// One statement. An append is recorded whether it was answered or not, a read only when it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// When it was sent, since the load began.
    pub sent: Duration,
    /// When its answer was there, or what came instead.
    pub answered: Duration,
    /// What.
    pub action: Action,
}

/// One transaction. `client` and `seq` name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transaction {
    /// Who.
    pub client: u32,
    /// Its number.
    pub seq: u64,
    /// The number of its gateway in the history.
    pub gateway: usize,
    /// Which of the client's connections carried it.
    pub connection: u32,
    /// How it was run.
    pub class: Class,
    /// Its statements on lists, in order.
    pub steps: Vec<Step>,
    /// When it was begun.
    pub invoked: Duration,
    /// When what commits it was sent (`COMMIT`, or its only statement); `None`: never.
    pub committing: Option<Duration>,
    /// When its end was known.
    pub returned: Duration,
    /// `Failed` also when it was rolled back on purpose: nothing of it may be seen.
    pub outcome: Outcome,
}

impl Transaction {
    /// Its appends, in order.
    pub fn appends(&self) -> impl Iterator<Item = (Key, Element)> {
        self.steps.iter().filter_map(|step| match step.action {
            Action::Append { key, element } => Some((key, element)),
            Action::Read { .. } => None,
        })
    }
}
