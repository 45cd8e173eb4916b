//! The applied state as openraft wants it. It lives in memory; the store keeps a snapshot of it and
//! the log since. Every new record is shown on the watch channel.

use std::io::Cursor;
use std::sync::Arc;

use openraft::storage::RaftStateMachine;
use openraft::{AnyError, RaftSnapshotBuilder, Snapshot, StorageIOError};

use super::format;
use super::shown::Shown;
use super::state::State;
use super::store::{Store, snapshot_error};
use super::types::{Entry, LogId, SnapshotMeta, StorageError, StoredMembership, Types, Verdict};

/// The applied state with its store and its watchers.
pub(crate) struct Machine {
    state: State,
    store: Arc<Store>,
    shown: Shown,
}

impl Machine {
    /// The state as of the last snapshot; openraft applies the rest of the log.
    pub(crate) fn new(store: Arc<Store>, shown: Shown) -> Self {
        let state = store.snapshot().unwrap_or_default();
        let machine = Self {
            state,
            store,
            shown,
        };
        machine.show();
        machine
    }

    fn show(&self) {
        self.shown.offer(self.state.record.as_ref());
    }
}

/// The snapshot openraft sends or asks for.
#[expect(clippy::result_large_err, reason = "the error is openraft's")]
fn as_snapshot(state: &State) -> Result<Snapshot<Types>, StorageError> {
    let bytes = format::keep(state).map_err(|error| snapshot_error(&error.to_string()))?;
    Ok(Snapshot {
        meta: meta(state),
        snapshot: Box::new(Cursor::new(bytes)),
    })
}

/// The particulars of a snapshot of `state`.
pub(crate) fn meta(state: &State) -> SnapshotMeta {
    let id = state.applied.map_or_else(String::new, |id| {
        format!("{}-{}", id.leader_id.term, id.index)
    });
    SnapshotMeta {
        last_log_id: state.applied,
        last_membership: state.members.clone(),
        snapshot_id: id,
    }
}

/// Builds a snapshot of the state as it was.
pub(crate) struct Builder {
    state: State,
    store: Arc<Store>,
}

impl RaftSnapshotBuilder<Types> for Builder {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError> {
        self.store.keep_snapshot(self.state.clone()).await?;
        as_snapshot(&self.state)
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), StorageError> {
        Ok((self.state.applied, self.state.members.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Verdict>, StorageError>
    where
        I: IntoIterator<Item = Entry> + Send,
        I::IntoIter: Send,
    {
        let verdicts = entries
            .into_iter()
            .map(|entry| self.state.apply(entry))
            .collect();
        self.show();
        Ok(verdicts)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        Builder {
            state: self.state.clone(),
            store: Arc::clone(&self.store),
        }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::new(Cursor::new(Vec::new())))
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let state: State = format::recall(snapshot.get_ref()).map_err(|error| {
            StorageIOError::read_snapshot(Some(meta.signature()), AnyError::error(error))
        })?;
        self.store.keep_snapshot(state.clone()).await?;
        self.state = state;
        self.show();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError> {
        match self.store.snapshot() {
            Some(state) => as_snapshot(&state).map(Some),
            None => Ok(None),
        }
    }
}
