//! The embedded Raft backend: the agents keep the register among themselves. openraft does the
//! consensus, redb the disk, the caller's transport the network. Its generics stay in this folder.
//!
//! `client` reads and swaps by `route`, `serve` answers other nodes, `pulse` keeps or seeks the lead,
//! `reconcile` changes the members; `store`, `disk`, `file`, `machine` and `state` are what is kept.
//! openraft logs every step it takes and every call that fails, as errors: silence its tracing
//! target altogether (`openraft=off`). What an operator should know is logged from here.

mod caller;
mod change;
mod client;
mod disk;
mod file;
mod forced;
mod format;
mod inner;
mod look;
mod machine;
mod message;
mod peers;
mod plan;
mod pulse;
mod reconcile;
mod route;
mod serve;
mod shown;
mod state;
mod store;
mod timing;
mod transport;
mod types;
mod voter;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use openraft::error::{InitializeError, RaftError};
use tokio::sync::{Mutex, watch};
use tokio::task::AbortHandle;

pub use change::Change;
pub use look::THREAD as LOOK_THREAD;
pub use timing::Timing;
pub use transport::Transport;
pub use voter::{Identity, Voter};

use self::caller::{Caller, Lines};
use self::disk::Disk;
use self::file::Loaded;
use self::inner::Inner;
use self::machine::Machine;
use self::shown::Shown;
use self::store::{LogStore, Store};
use self::types::{Core, Member};
use crate::{Error, Reach, Record, Register, Result, Swap};

/// How long a founding may take; it needs only this node's disk.
const FOUND_LIMIT: Duration = Duration::from_secs(10);
const STOP_LIMIT: Duration = Duration::from_secs(2);

/// For the fuzzer: calls and answers of other nodes.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_messages(bytes: &[u8]) {
    let _ = format::decode::<message::Request>(bytes);
    let _ = format::decode::<message::Answer>(bytes);
}

/// For the fuzzer: what the store's file holds.
#[cfg(feature = "fuzzing")]
pub(crate) fn read_kept(bytes: &[u8]) {
    let _ = format::recall::<types::Entry>(bytes);
    let _ = format::recall::<types::Vote>(bytes);
    let _ = format::recall::<state::State>(bytes);
    if let Ok(proposal) = format::recall::<types::Proposal>(bytes) {
        let again = format::keep(&proposal).and_then(|bytes| format::recall(&bytes));
        assert!(
            again.is_ok_and(|again: types::Proposal| again == proposal),
            "it changed"
        );
    }
}

/// The register kept by the agents themselves. Cheap to share behind an `Arc`.
pub struct Raft {
    inner: Arc<Inner>,
    pulse: AbortHandle,
    memory: Mutex<reconcile::Memory>,
}

impl Raft {
    /// Whether [`Raft::open`] would take what lies in `dir`; touches nothing. Blocks for as long as
    /// reading the file takes.
    ///
    /// Errors: the store belongs to another node or cluster or a newer version, or is damaged.
    pub fn look(dir: &Path, me: &Identity) -> Result<()> {
        look::look(dir, me)
    }

    /// Opens or creates this node's part of the ledger in `dir` and begins to take part: as what
    /// it was before, or as nobody until it founds the ledger or the leader lets it in.
    ///
    /// Errors: the store belongs to another node or cluster or a newer version, is open in another
    /// process, or the disk fails; the timing contradicts itself.
    pub async fn open(
        dir: &Path,
        me: Identity,
        transport: Arc<dyn Transport>,
        timing: Timing,
    ) -> Result<Self> {
        timing.config(&me.cluster)?;
        let (dir, owner) = (dir.to_path_buf(), me.clone());
        let opened = tokio::task::spawn_blocking(move || Disk::open(&dir, &owner)).await;
        let (disk, loaded) = opened.map_err(|_| Error::Stopped)??;
        Self::start(disk, loaded, me, transport, timing).await
    }

    async fn start(
        disk: Disk,
        loaded: Loaded,
        me: Identity,
        transport: Arc<dyn Transport>,
        timing: Timing,
    ) -> Result<Self> {
        let config = Arc::new(timing.config(&me.cluster)?);
        let store = Arc::new(Store::new(disk, loaded));
        let caller = Arc::new(Caller::new(me, timing, Arc::clone(&store), transport));
        let shown = Shown::new();
        let machine = Machine::new(Arc::clone(&store), shown.clone());
        let lines = Lines(Arc::clone(&caller));
        let log = LogStore(Arc::clone(&store));
        let core = Core::new(caller.me.node, config, lines, log, machine).await;
        let core = core.map_err(|error| Error::StoreFailed(error.to_string()))?;
        let inner = Arc::new(Inner::new(core, store, caller, shown));
        let pulse = tokio::spawn(pulse::run(Arc::clone(&inner))).abort_handle();
        Ok(Self {
            inner,
            pulse,
            memory: Mutex::default(),
        })
    }

    /// Founds the ledger with this node as its only voter; `me` must be this node.
    ///
    /// Errors: this node has founded or joined a ledger before, or its disk fails.
    pub async fn found(&self, me: Voter) -> Result<()> {
        if self.is_member() {
            return Err(Error::FoundedAlready);
        }
        let founding = getrandom::u64().map_err(|error| Error::Random(error.to_string()))?;
        // Why: a founding that was cut short goes on as the one it was.
        let founding = self.inner.store.founding().unwrap_or(founding);
        self.inner
            .store
            .belong_to(founding)
            .await
            .map_err(Error::StoreFailed)?;
        let Voter {
            name,
            address,
            witness,
            ..
        } = me;
        let member = Member {
            name,
            address,
            witness,
            store: self.inner.store.id,
        };
        let members = BTreeMap::from([(self.inner.me(), member)]);
        match self.inner.core.initialize(members).await {
            Ok(()) => {}
            Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {
                return Err(Error::FoundedAlready);
            }
            Err(RaftError::APIError(error)) => return Err(Error::Members(error.to_string())),
            Err(RaftError::Fatal(fatal)) => {
                return Err(Error::StoreFailed(self.inner.lost(&fatal)));
            }
        }
        self.inner.read(FOUND_LIMIT).await.map(|_| ())
    }

    /// The operator's word that the other voters are lost for good: makes this node, whose store in
    /// `dir` must not be open, the only voter of a ledger founded anew, which goes on from the last
    /// record the store holds. Returns that record.
    ///
    /// Everything in this store counts as agreed, so a swap whose outcome was unknown may turn out
    /// won. What this store had not received is lost. The nodes of the old founding and those of
    /// the new one refuse each other until the old ones' stores are emptied; the caller makes sure
    /// that the old ledger does not answer any more.
    ///
    /// Errors: as for [`Raft::open`]; the store holds no ledger.
    pub async fn force_new(dir: &Path, me: Identity, voter: Voter) -> Result<Option<Record>> {
        let dir = dir.to_path_buf();
        let forced = tokio::task::spawn_blocking(move || forced::force_new(&dir, &me, voter));
        forced.await.map_err(|_| Error::Stopped)?
    }

    /// Whether this node has founded or joined a ledger, now or before a restart.
    pub fn is_member(&self) -> bool {
        self.inner.last_log().is_some()
    }

    /// Answers a call from another node. The caller of this has made sure that it comes from a
    /// node of this cluster; whatever the bytes are, the answer is some bytes and never a panic.
    pub async fn handle(&self, request: &[u8]) -> Vec<u8> {
        self.inner.handle(request).await
    }

    /// Brings the ledger's members one step closer to `wanted`. To be called about every second,
    /// on every node; only the leader acts.
    ///
    /// Voters are one, or an odd number from three on; a node that joins listens until it runs, is
    /// up to date and a third can vote; of an even number one keeps listening. A witness is
    /// preferred as voter and is handed the lead once it has been steady for `Timing::settle`.
    /// A node whose store was replaced stops voting and joins anew.
    ///
    /// Errors: the step was not agreed on; the store failed.
    pub async fn reconcile(&self, wanted: BTreeMap<u64, Voter>) -> Result<Change> {
        let Ok(mut memory) = self.memory.try_lock() else {
            return Ok(Change::Waiting("an earlier change is under way".into()));
        };
        reconcile::reconcile(&self.inner, &mut memory, &wanted).await
    }

    /// Stops taking part and closes the store. A leader that stops is replaced as if it had died.
    pub async fn stop(&self) {
        self.pulse.abort();
        // Why: openraft waits for its core, which waits for the disk, which may hang.
        let _ = tokio::time::timeout(STOP_LIMIT, self.inner.core.shutdown()).await;
        let store = Arc::clone(&self.inner.store);
        let _ = tokio::task::spawn_blocking(move || store.disk.close()).await;
    }
}

impl Drop for Raft {
    fn drop(&mut self) {
        self.pulse.abort();
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let core = self.inner.core.clone();
            runtime.spawn(async move { core.shutdown().await });
        }
    }
}

#[async_trait]
impl Register for Raft {
    async fn read(&self, limit: Duration) -> Result<Option<Record>> {
        self.inner.read(limit).await
    }

    async fn swap(&self, expected: Option<u64>, next: Record, limit: Duration) -> Swap {
        self.inner.swap(expected, next, limit).await
    }

    fn watch(&self) -> watch::Receiver<Option<Record>> {
        self.inner.shown.watch()
    }

    fn reach(&self) -> Reach {
        self.inner.reach()
    }
}

#[cfg(test)]
mod stall_test;
