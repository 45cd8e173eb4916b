//! The seam between the keeper and whatever stores the ledger: a linearizable register with
//! compare-and-swap. `contract` holds the checks every implementation must pass.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{Reach, Record, Result};

/// How a compare-and-swap ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Swap {
    /// The record is in the register, or was until a later one replaced it.
    Won,
    /// The record is not in the register and never will be; the current record is told, `None`
    /// when there is none yet.
    Lost(Option<Record>),
    /// No answer that can be trusted: the record may have landed, or land later, or never.
    Undecided,
}

/// A linearizable register with compare-and-swap.
#[async_trait]
pub trait Register: Send + Sync + 'static {
    /// The current record, linearizable: it sees every swap that had won before this call, and is
    /// never answered from a local copy. `None` before the first swap.
    ///
    /// Errors: nobody who can vouch for the answer replied within `limit`.
    async fn read(&self, limit: Duration) -> Result<Option<Record>>;

    /// Replaces the record if its revision is `expected` (`None`: if there is none yet).
    ///
    /// `next.rev` must be `expected + 1` (1 at creation). Never says [`Swap::Lost`] of a record that
    /// may land later. A retry of the very same record (same nonce) that had landed says
    /// [`Swap::Won`]. A record that breaks the rules (revision, size) is never sent and says
    /// `Lost(None)`. May end some milliseconds after `limit`, never before all is tried.
    async fn swap(&self, expected: Option<u64>, next: Record, limit: Duration) -> Swap;

    /// The newest record known here without asking: it may be old, but it never goes back, and it
    /// is never older than what this handle was told by a read or a swap.
    fn watch(&self) -> watch::Receiver<Option<Record>>;

    /// How the register is reached right now; cheap, for status displays.
    fn reach(&self) -> Reach;
}
