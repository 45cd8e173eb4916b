//! What can go wrong when a keeper is asked for something.

use std::path::PathBuf;

/// Result of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something asked of the keeper was not done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The state file cannot be read or written.
    #[error("state file `{path}`: {why}")]
    State {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The state file was written by a later version of the program.
    #[error("state file `{path}` has version {found}, this program knows version {known}")]
    NewerState {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The latest one known here.
        known: u32,
    },
    /// The ledger gave no answer.
    #[error("the ledger gave no answer: {0}")]
    Ledger(String),
    /// The ledger could not be read.
    #[error("the ledger gave no answer: {0}")]
    Register(#[from] ledger::Error),
    /// The ledger holds nothing yet.
    #[error("the ledger holds no document: this cluster was never founded")]
    NotFounded,
    /// The ledger already holds a cluster.
    #[error("the ledger already holds a cluster")]
    AlreadyFounded,
    /// A message or document that cannot be read.
    #[error("{what} cannot be read: {why}")]
    Format {
        /// What it is.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// It was refused, and why.
    #[error("{0}")]
    Refused(String),
    /// Another node was needed and did not answer.
    #[error("{node} does not answer: {why}")]
    NoAnswer {
        /// The node.
        node: String,
        /// Why.
        why: String,
    },
    /// The server did not do it.
    #[error(transparent)]
    Server(#[from] mariadb::Error),
    /// A tunnel or a connection to another node failed.
    #[error(transparent)]
    Peer(#[from] peer::Error),
    /// This node's keeper has ended.
    #[error("the keeper of this node has ended")]
    Ended,
    /// The system's random source failed.
    #[error("the system's random source failed: {0}")]
    Random(String),
}
