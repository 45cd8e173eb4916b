//! Counters of a running load that can be read at any time, for a table.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::history::{Operation, Outcome};

/// One gateway's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Live {
    /// The gateway's node.
    pub node: String,
    /// Writes acknowledged.
    pub acknowledged: u64,
    /// Writes certainly not done.
    pub failed: u64,
    /// Writes of which nobody knows.
    pub unknown: u64,
    /// Reads answered.
    pub reads: u64,
    /// Transactions over lists that ended as they were meant to.
    pub transactions: u64,
    /// Those that did not, except where two met (deadlock, lock wait).
    pub transactions_failed: u64,
    /// Those of which nobody knows.
    pub transactions_unknown: u64,
    /// Since the last acknowledged write, or since the beginning.
    pub silence: Duration,
    /// The longest time without an acknowledged write so far, a running one included.
    pub longest_silence: Duration,
    /// The last error a client met.
    pub last_error: Option<String>,
}

impl fmt::Display for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            node,
            acknowledged,
            failed,
            unknown,
            transactions,
            transactions_failed,
            transactions_unknown,
            silence,
            ..
        } = self;
        let silence = silence.as_millis();
        write!(
            f,
            "{node}: {acknowledged} acknowledged, {failed} failed, {unknown} unknown, "
        )?;
        write!(
            f,
            "{transactions} transactions, {transactions_failed} failed, {transactions_unknown} unknown, "
        )?;
        write!(f, "last write {silence} ms ago")?;
        self.last_error
            .as_ref()
            .map_or(Ok(()), |error| write!(f, ", last error: {error}"))
    }
}

/// How many kinds of error are told apart; a text that differs each time must not grow this.
const ERROR_KINDS: usize = 50;

#[derive(Debug, Default)]
struct Errors {
    by_kind: BTreeMap<String, u64>,
    last: Option<String>,
}

/// Written by the clients of one gateway.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    acknowledged: AtomicU64,
    failed: AtomicU64,
    unknown: AtomicU64,
    reads: AtomicU64,
    transactions: AtomicU64,
    transactions_failed: AtomicU64,
    transactions_unknown: AtomicU64,
    last_ms: AtomicU64,
    longest_ms: AtomicU64,
    errors: Mutex<Errors>,
}

impl Counters {
    pub(crate) fn count(&self, done: &Operation) {
        if !done.kind.is_write() {
            if done.outcome == Outcome::Ok {
                self.reads.fetch_add(1, Relaxed);
            }
            return;
        }
        match done.outcome {
            Outcome::Ok => {
                let now = u64::try_from(done.returned.as_millis()).unwrap_or(u64::MAX);
                let before = self.last_ms.swap(now, Relaxed);
                self.longest_ms
                    .fetch_max(now.saturating_sub(before), Relaxed);
                &self.acknowledged
            }
            Outcome::Failed => &self.failed,
            Outcome::Unknown => &self.unknown,
        }
        .fetch_add(1, Relaxed);
    }

    /// How a transaction was stopped; `None`: it ended as it was meant to, or met another.
    pub(crate) fn count_transaction(&self, stopped: Option<Outcome>) {
        match stopped {
            None => &self.transactions,
            Some(Outcome::Unknown) => &self.transactions_unknown,
            Some(_) => &self.transactions_failed,
        }
        .fetch_add(1, Relaxed);
    }

    /// `kind` is a short class, `text` what was said.
    pub(crate) fn error(&self, kind: &str, text: &str) {
        let mut errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = errors.by_kind.contains_key(kind) || errors.by_kind.len() < ERROR_KINDS;
        let kind = if is_known { kind } else { "others" };
        *errors.by_kind.entry(kind.to_owned()).or_default() += 1;
        errors.last = Some(text.chars().take(200).collect());
    }

    pub(crate) fn errors(&self) -> BTreeMap<String, u64> {
        self.errors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .by_kind
            .clone()
    }

    pub(crate) fn read(&self, node: &str, now: Duration) -> Live {
        let silence = now.saturating_sub(Duration::from_millis(self.last_ms.load(Relaxed)));
        let errors = self.errors.lock().unwrap_or_else(PoisonError::into_inner);
        Live {
            node: node.to_owned(),
            acknowledged: self.acknowledged.load(Relaxed),
            failed: self.failed.load(Relaxed),
            unknown: self.unknown.load(Relaxed),
            reads: self.reads.load(Relaxed),
            transactions: self.transactions.load(Relaxed),
            transactions_failed: self.transactions_failed.load(Relaxed),
            transactions_unknown: self.transactions_unknown.load(Relaxed),
            silence,
            longest_silence: silence.max(Duration::from_millis(self.longest_ms.load(Relaxed))),
            last_error: errors.last.clone(),
        }
    }
}
