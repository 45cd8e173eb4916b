//! The embedded Raft backend. openraft's types stay inside this folder.
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;

use crate::{Error, Reach, Record, Register, Result, Swap};

mod change;
mod timing;
mod transport;
mod voter;

pub use change::Change;
pub use timing::Timing;
pub use transport::Transport;
pub use voter::{Identity, Voter};

/// The register kept by the agents themselves.
pub struct Raft {
    watch: watch::Receiver<Option<Record>>,
}

impl Raft {
    /// Opens this node's part of the ledger.
    #[expect(clippy::unused_async, reason = "the signature comes first")]
    pub async fn open(
        dir: &Path,
        me: Identity,
        transport: Arc<dyn Transport>,
        timing: Timing,
    ) -> Result<Self> {
        let _ = (dir, me, transport, timing);
        Err(Error::Stopped)
    }

    /// Founds the ledger with this node as its only voter.
    #[expect(clippy::unused_async, reason = "the signature comes first")]
    pub async fn found(&self, me: Voter) -> Result<()> {
        let _ = me;
        Err(Error::Stopped)
    }

    /// Answers a call from another node.
    #[expect(clippy::unused_async, reason = "the signature comes first")]
    pub async fn handle(&self, request: &[u8]) -> Vec<u8> {
        request.to_vec()
    }

    /// Brings the ledger's members closer to those wanted.
    #[expect(clippy::unused_async, reason = "the signature comes first")]
    pub async fn reconcile(&self, wanted: BTreeMap<u64, Voter>) -> Result<Change> {
        let _ = wanted;
        Err(Error::Stopped)
    }

    /// Stops taking part.
    #[expect(clippy::unused_async, reason = "the signature comes first")]
    pub async fn stop(&self) {}
}

#[async_trait]
impl Register for Raft {
    async fn read(&self, limit: Duration) -> Result<Option<Record>> {
        let _ = limit;
        Err(Error::Stopped)
    }
    async fn swap(&self, _: Option<u64>, _: Record, _: Duration) -> Swap {
        Swap::Undecided
    }
    fn watch(&self) -> watch::Receiver<Option<Record>> {
        self.watch.clone()
    }
    fn reach(&self) -> Reach {
        Reach::default()
    }
}
