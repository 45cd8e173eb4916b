//! The ledger's calls over the agents' own connections.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use peer::Endpoint;

use super::directory::Directory;

/// Under this name they arrive at the reception.
pub(super) const SERVICE: &str = "raft";

/// Carries the ledger's calls.
pub(super) struct PeerTransport {
    endpoint: Arc<Endpoint>,
    directory: Arc<Directory>,
}

impl PeerTransport {
    pub(super) fn new(endpoint: Arc<Endpoint>, directory: Arc<Directory>) -> Self {
        Self {
            endpoint,
            directory,
        }
    }
}

#[async_trait]
impl ledger::Transport for PeerTransport {
    async fn call(
        &self,
        to: u64,
        address: &str,
        request: Vec<u8>,
        limit: Duration,
    ) -> io::Result<Vec<u8>> {
        let unknown = || io::Error::other(format!("nothing is known of node {to}"));
        let name = self.directory.name(to).ok_or_else(unknown)?;
        let address = address.parse().map_err(io::Error::other)?;
        let called = self
            .endpoint
            .call(name.as_str(), address, SERVICE, request, limit)
            .await;
        called.map_err(io::Error::other)
    }
}
