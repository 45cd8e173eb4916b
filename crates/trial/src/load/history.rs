//! What every client of a load did, and how it ended as far as the client can know.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::transaction::Transaction;

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Acknowledged: it must be there.
    Ok,
    /// Certainly not done: it must not be there.
    Failed,
    /// The answer is missing or says nothing: it may be there or not.
    Unknown,
}

/// What an operation was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A row of `entry`.
    Insert,
    /// A transaction: two balances changed and a row of `transfer`.
    Transfer {
        /// From this account.
        source: u32,
        /// To this one.
        target: u32,
        /// So much.
        amount: i64,
    },
    /// The writer's register raised to its sequence number.
    Raise,
    /// The writer read its own register back.
    ReadOwn {
        /// The highest value acknowledged to this writer before it asked.
        floor: u64,
        /// What it got; `None` for no row.
        seen: Option<u64>,
    },
    /// A reader read some writer's register.
    ReadOther {
        /// Whose.
        writer: u32,
        /// What it got; `None` for no row.
        seen: Option<u64>,
    },
    /// A reader summed the bank up.
    ReadTotal {
        /// What it got.
        seen: i64,
    },
}

impl Kind {
    /// It changes data.
    pub fn is_write(&self) -> bool {
        matches!(self, Self::Insert | Self::Transfer { .. } | Self::Raise)
    }
}

/// One operation. `writer` and `seq` name it; a sequence number is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operation {
    /// Who (readers: `u32::MAX`).
    pub writer: u32,
    /// Its number.
    pub seq: u64,
    /// The number of its gateway in the history.
    pub gateway: usize,
    /// What.
    pub kind: Kind,
    /// When it was begun, since the load began.
    pub invoked: Duration,
    /// When its end was known.
    pub returned: Duration,
    /// How it ended.
    pub outcome: Outcome,
}

/// What the clients of one gateway did.
#[derive(Debug, Default)]
pub(crate) struct Work {
    pub(crate) operations: Vec<Operation>,
    pub(crate) transactions: Vec<Transaction>,
}

/// Everything a load did.
#[derive(Debug, Clone)]
pub struct History {
    /// When it began.
    pub start: Instant,
    /// How long it lasted.
    pub length: Duration,
    /// The nodes of the gateways, by number.
    pub gateways: Vec<String>,
    /// Every operation, in no particular order.
    pub operations: Vec<Operation>,
    /// Every transaction over lists, in no particular order.
    pub transactions: Vec<Transaction>,
    /// How often clients met each kind of error.
    pub errors: BTreeMap<String, u64>,
}

impl History {
    /// One with these operations.
    pub fn new(start: Instant, gateways: Vec<String>, operations: Vec<Operation>) -> Self {
        Self {
            start,
            length: Duration::ZERO,
            gateways,
            operations,
            transactions: Vec::new(),
            errors: BTreeMap::new(),
        }
    }

    /// Takes in what one gateway's clients did.
    pub(crate) fn absorb(&mut self, node: &str, work: Work, errors: BTreeMap<String, u64>) {
        self.gateways.push(node.to_owned());
        self.operations.extend(work.operations);
        self.transactions.extend(work.transactions);
        for (kind, count) in errors {
            *self.errors.entry(kind).or_default() += count;
        }
    }

    pub(crate) fn close(&mut self, length: Duration) {
        self.length = length;
    }

    /// The writes that ended so.
    pub fn writes(&self, outcome: Outcome) -> impl Iterator<Item = &Operation> {
        self.operations
            .iter()
            .filter(move |done| done.kind.is_write() && done.outcome == outcome)
    }

    /// How many writes were acknowledged.
    pub fn acknowledged(&self) -> usize {
        self.writes(Outcome::Ok).count()
    }

    /// `none`, or such as `lost connection 3, refused 1290 2`.
    pub fn errors_line(&self) -> String {
        if self.errors.is_empty() {
            return "none".to_owned();
        }
        let parts: Vec<String> = self
            .errors
            .iter()
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        parts.join(", ")
    }
}
