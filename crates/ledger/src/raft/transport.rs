//! What carries a call from this node to another: the `peer` crate implements it over its
//! authenticated connections, tests over memory.

use std::io;
use std::time::Duration;

use async_trait::async_trait;

/// Carries calls between the agents of one cluster.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Sends `request` to node `to` at `address` and returns its answer: what the other side's
    /// [`Raft::handle`](crate::Raft::handle) returned.
    ///
    /// Errors: not connected, not answered within `limit`, refused. An error does not say whether
    /// the request was carried out. Requests and answers are at most 4 MiB.
    async fn call(
        &self,
        to: u64,
        address: &str,
        request: Vec<u8>,
        limit: Duration,
    ) -> io::Result<Vec<u8>>;
}
