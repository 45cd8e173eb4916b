//! The Raft log as openraft wants it: all of it in memory (it is short, see the snapshot policy),
//! every change on disk before it is acknowledged.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::RangeBounds;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use openraft::storage::{LogFlushed, LogState, RaftLogReader, RaftLogStorage};
use openraft::{AnyError, EntryPayload, StorageIOError};

use super::disk::{Disk, Write};
use super::file::Loaded;
use super::format;
use super::state::State;
use super::types::{Entry, LogId, StorageError, Types, Vote};

/// How many bytes of bodies go into one append, so that a message stays within its limit.
const BATCH_BYTES: usize = 2 << 20;

/// This node's part of the ledger: its promises, its log, its last snapshot.
pub(crate) struct Store {
    pub(crate) id: u64,
    founding: OnceLock<u64>,
    pub(crate) disk: Disk,
    held: Mutex<Held>,
}

struct Held {
    vote: Option<Vote>,
    log: BTreeMap<u64, Entry>,
    purged: Option<LogId>,
    committed: Option<LogId>,
    snapshot: Option<State>,
}

impl Store {
    /// The store as the disk held it.
    pub(crate) fn new(disk: Disk, loaded: Loaded) -> Self {
        let Loaded {
            store,
            founding,
            vote,
            purged,
            mut committed,
            snapshot,
            log,
        } = loaded;
        // Why: what was committed may have been installed as a snapshot since, its entries purged.
        let last = log.values().next_back().map(|entry| entry.log_id);
        committed = committed.filter(|committed| Some(*committed) <= last);
        let held = Mutex::new(Held {
            vote,
            log,
            purged,
            committed,
            snapshot,
        });
        let founding = founding.map_or_else(OnceLock::new, OnceLock::from);
        Self {
            id: store,
            founding,
            disk,
            held,
        }
    }

    /// Which founding of the ledger this store belongs to, if any yet.
    pub(crate) fn founding(&self) -> Option<u64> {
        self.founding.get().copied()
    }

    /// Makes this store belong to a founding, for good.
    ///
    /// Errors: it belongs to another one; the disk failed.
    pub(crate) async fn belong_to(&self, founding: u64) -> Result<(), String> {
        if self.founding() == Some(founding) {
            return Ok(());
        }
        let bytes = format::keep(&founding).map_err(|error| error.to_string())?;
        if *self.founding.get_or_init(|| founding) != founding {
            return Err("the store belongs to another founding of the ledger".into());
        }
        self.disk.write(Write::Founding(bytes)).await
    }

    /// The last entry this node has, purged ones included.
    pub(crate) fn last_log(&self) -> Option<LogId> {
        let held = self.held();
        held.log
            .values()
            .next_back()
            .map(|entry| entry.log_id)
            .or(held.purged)
    }

    /// The last snapshot.
    pub(crate) fn snapshot(&self) -> Option<State> {
        self.held().snapshot.clone()
    }

    /// Keeps a snapshot, unless a newer one is kept already.
    pub(crate) async fn keep_snapshot(&self, state: State) -> Result<(), StorageError> {
        let bytes = format::keep(&state).map_err(|error| snapshot_error(&error.to_string()))?;
        let pending = {
            // Why: a snapshot built here may end after a newer one from the leader was installed.
            // The lock is held while queueing, so that memory and disk agree on the last one.
            let mut held = self.held();
            if held
                .snapshot
                .as_ref()
                .is_some_and(|kept| kept.applied > state.applied)
            {
                return Ok(());
            }
            let pending = self.disk.begin(Write::Snapshot(bytes));
            held.snapshot = Some(state);
            pending
        };
        let pending = pending.map_err(|error| snapshot_error(&error))?;
        pending.wait().await.map_err(|error| snapshot_error(&error))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn append(&self, entries: Vec<Entry>) -> Result<(), String> {
        let committed = self.held().committed;
        let committed = committed.map(|id| format::keep(&id)).transpose();
        let committed = committed.map_err(|error| error.to_string())?;
        let mut bytes = Vec::with_capacity(entries.len());
        for entry in &entries {
            let kept = format::keep(entry).map_err(|error| error.to_string())?;
            bytes.push((entry.log_id.index, kept));
        }
        self.held()
            .log
            .extend(entries.into_iter().map(|entry| (entry.log_id.index, entry)));
        self.disk
            .write(Write::Append {
                entries: bytes,
                committed,
            })
            .await
    }
}

pub(crate) fn snapshot_error(why: &str) -> StorageError {
    StorageIOError::write_snapshot(None, AnyError::error(why)).into()
}

/// The handle openraft holds.
#[derive(Clone)]
pub(crate) struct LogStore(pub(crate) Arc<Store>);

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + Send>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, StorageError> {
        Ok(self
            .0
            .held()
            .log
            .range(range)
            .map(|(_, entry)| entry.clone())
            .collect())
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, StorageError> {
        let held = self.0.held();
        let mut batch = Vec::new();
        let mut bytes = 0;
        for (_, entry) in held.log.range(start..end) {
            if let EntryPayload::Normal(proposal) = &entry.payload {
                bytes += proposal.record.body.len();
            }
            if bytes > BATCH_BYTES && !batch.is_empty() {
                break;
            }
            batch.push(entry.clone());
        }
        Ok(batch)
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError> {
        let last_purged_log_id = self.0.held().purged;
        Ok(LogState {
            last_purged_log_id,
            last_log_id: self.0.last_log(),
        })
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let error = |why: String| StorageIOError::write_vote(AnyError::error(why));
        let bytes = format::keep(vote).map_err(|why| error(why.to_string()))?;
        self.0.disk.write(Write::Vote(bytes)).await.map_err(error)?;
        self.0.held().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        Ok(self.0.held().vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        // Why: it goes to disk with the next append. It only spares a restarted node from showing
        // an old record until it hears from the leader, which is not worth a flush.
        self.0.held().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        Ok(self.0.held().committed)
    }

    async fn append<I>(&mut self, entries: I, done: LogFlushed<Types>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        let result = self.0.append(entries).await;
        done.log_io_completed(result.clone().map_err(std::io::Error::other));
        result.map_err(|why| StorageIOError::write_logs(AnyError::error(why)).into())
    }

    async fn truncate(&mut self, since: LogId) -> Result<(), StorageError> {
        let result = self
            .0
            .disk
            .write(Write::Truncate { from: since.index })
            .await;
        result.map_err(|why| StorageIOError::write_logs(AnyError::error(why)))?;
        self.0.held().log.split_off(&since.index);
        Ok(())
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), StorageError> {
        let error = |why: String| StorageIOError::write_logs(AnyError::error(why));
        let mark = format::keep(&upto).map_err(|why| error(why.to_string()))?;
        self.0
            .disk
            .write(Write::Purge {
                upto: upto.index,
                mark,
            })
            .await
            .map_err(error)?;
        let mut held = self.0.held();
        held.log = held.log.split_off(&(upto.index + 1));
        held.purged = Some(upto);
        Ok(())
    }
}
