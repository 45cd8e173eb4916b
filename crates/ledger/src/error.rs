//! What can go wrong with the register. Every message is one line, lower-case, without secrets.

use std::path::PathBuf;
use std::time::Duration;

/// What can go wrong with the register.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Nobody who can vouch for an answer replied in time.
    #[error("no quorum of the ledger answered within {limit:?}: {reason}")]
    NoQuorum {
        /// How long was waited.
        limit: Duration,
        /// What the last attempt said.
        reason: String,
    },
    /// This node's store cannot be written or read any more; only a restart of the agent after the
    /// disk is well again reopens it.
    #[error("the ledger's store failed: {0}")]
    StoreFailed(String),
    /// The store's file is not whole.
    #[error("the ledger's store {path} is damaged: {why}")]
    StoreDamaged {
        /// The store's file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The store was written by a newer version of the program.
    #[error("the ledger's store {path} has format {found}, this version reads up to {known}")]
    NewerFormat {
        /// The store's file.
        path: PathBuf,
        /// The format it was written in.
        found: u32,
        /// The newest format this version knows.
        known: u32,
    },
    /// The store belongs to another node or another cluster.
    #[error("the ledger's store {path} belongs to {owner}, not to {me}")]
    ForeignStore {
        /// The store's file.
        path: PathBuf,
        /// Whose it is.
        owner: String,
        /// Who wanted to open it.
        me: String,
    },
    /// The ledger exists already, so it cannot be founded.
    #[error("the ledger is founded already")]
    FoundedAlready,
    /// The register was stopped.
    #[error("the ledger was stopped")]
    Stopped,
    /// A change of members did not get through (yet); the next reconcile tries again.
    #[error("cannot change the ledger's members: {0}")]
    Members(String),
    /// The timing is contradictory.
    #[error("the ledger's timing is not usable: {0}")]
    Timing(String),
    /// The system's random source failed.
    #[error("no randomness from the system: {0}")]
    Random(String),
}
