//! What a gateway counts.

use std::time::Duration;

/// Counters of a gateway since it started, for status and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Client connections now.
    pub connections: usize,
    /// Client connections ever accepted.
    pub connections_total: u64,
    /// Statements and logins waiting for a primary now.
    pub held: usize,
    /// Transactions open and statements in flight now.
    pub open_transactions: usize,
    /// Statements received.
    pub statements: u64,
    /// Times a session was re-created on another primary connection.
    pub moved: u64,
    /// Errors the gateway itself gave to clients.
    pub errors: u64,
    /// The longest time a statement waited and then went on.
    pub longest_hold: Duration,
}
