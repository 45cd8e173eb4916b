//! The state file in use, and the tag inside the data directory: a directory that was emptied,
//! restored or replaced behind our back is found out and vouches for nothing.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use cluster::{DataId, Epoch, Mark};
use tokio::sync::{Mutex, watch};

use crate::{Error, Result, State};

/// Name of the tag in the data directory; MariaDB passes over files it does not know, and a backup does not copy them.
pub const TAG: &str = "mainstay-data-id";

/// The state file and what is in it. Clones share it.
#[derive(Clone)]
pub(crate) struct Store(Arc<Inner>);

struct Inner {
    dir: PathBuf,
    state: watch::Sender<State>,
    /// Held by whoever writes.
    turn: Mutex<()>,
}

impl Store {
    pub(crate) fn open(dir: PathBuf) -> Result<Self> {
        let state = watch::Sender::new(State::load(&dir)?);
        let turn = Mutex::new(());
        Ok(Self(Arc::new(Inner { dir, state, turn })))
    }

    pub(crate) fn state(&self) -> State {
        self.0.state.borrow().clone()
    }

    /// Durable when this returns. A caller that gives up in between does not stop it: the file and what
    /// is kept of it here never differ.
    pub(crate) async fn update(
        &self,
        change: impl FnOnce(&State) -> Result<State> + Send + 'static,
    ) -> Result<()> {
        let inner = Arc::clone(&self.0);
        let work = async move {
            let _turn = inner.turn.lock().await;
            let known = inner.state.borrow().clone();
            let next = change(&known)?;
            if next != known {
                let (dir, kept) = (inner.dir.clone(), next.clone());
                blocking(move || kept.save(&dir)).await?;
                inner.state.send_replace(next);
            }
            Ok(())
        };
        tokio::spawn(work).await.map_err(|_| Error::Ended)?
    }

    /// A new data id, in the state file and then in the data directory. Interrupted in between, the
    /// directory is found to be another one, which is as good.
    pub(crate) async fn renounce(&self, mark: Mark, database_dir: &Path) -> Result<()> {
        self.update(move |state| state.renounced(mark)).await?;
        self.tag(database_dir).await
    }

    /// A new data id before the directory is replaced by a copy. What it went through stays noted: until
    /// the copy is in its place, the old directory may still come to be used.
    pub(crate) async fn forsake(&self) -> Result<()> {
        self.update(|state| state.renounced(state.mark)).await
    }

    /// The copy of a primary of `epoch` is in place.
    pub(crate) async fn received(&self, epoch: Epoch) -> Result<()> {
        self.update(move |state| Ok(state.copied(epoch))).await
    }

    /// Writes the present id into the data directory.
    pub(crate) async fn tag(&self, database_dir: &Path) -> Result<()> {
        let (dir, data) = (database_dir.to_owned(), self.state().data);
        blocking(move || write_tag(&dir, data)).await?;
        self.update(|state| Ok(state.tagged())).await
    }

    /// Before the directory is used: is it the one that the state file speaks of? False: it was not, and has
    /// a new id now.
    pub(crate) async fn recognise(&self, database_dir: &Path) -> Result<bool> {
        let dir = database_dir.to_owned();
        let found = blocking(move || read_tag(&dir)).await?;
        let state = self.state();
        if !state.is_tagged() {
            return self.tag(database_dir).await.map(|()| true);
        }
        if found == Some(state.data) {
            return Ok(true);
        }
        tracing::warn!(
            directory = %database_dir.display(),
            "the data directory is not the one this node had: it vouches for nothing until it has caught up"
        );
        self.renounce(state.mark, database_dir).await?;
        Ok(false)
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| Error::Ended)?
}

fn write_tag(dir: &Path, data: DataId) -> Result<()> {
    let path = dir.join(TAG);
    let write = || {
        let mut file = std::fs::File::create(&path)?;
        writeln!(file, "{data}")?;
        file.sync_all()?;
        std::fs::File::open(dir)?.sync_all()
    };
    write().map_err(|error: std::io::Error| Error::State {
        path: path.clone(),
        why: error.to_string(),
    })
}

/// `None`: there is no tag, or none that can be read.
fn read_tag(dir: &Path) -> Result<Option<DataId>> {
    let path = dir.join(TAG);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text.parse().ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::State {
            path,
            why: error.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_replaced_directory_gets_another_id() {
        let (ours, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        State::founder().unwrap().save(ours.path()).unwrap();
        let store = Store::open(ours.path().into()).unwrap();
        let id = store.state().data;
        assert!(store.recognise(data.path()).await.unwrap());
        assert!(store.recognise(data.path()).await.unwrap());
        assert_eq!(store.state().data, id);
        std::fs::remove_file(data.path().join(TAG)).unwrap();
        assert!(!store.recognise(data.path()).await.unwrap());
        assert_ne!(store.state().data, id);
        assert_eq!(State::load(ours.path()).unwrap(), store.state());
    }

    #[tokio::test]
    async fn an_update_whose_caller_gives_up_is_finished_and_seen() {
        let ours = tempfile::tempdir().unwrap();
        State::founder().unwrap().save(ours.path()).unwrap();
        let store = Store::open(ours.path().into()).unwrap();
        let mark = Mark::Opened { epoch: 7 };
        {
            let mut update = std::pin::pin!(store.update(move |state| Ok(state.marked(mark))));
            let context = &mut std::task::Context::from_waker(std::task::Waker::noop());
            assert!(update.as_mut().poll(context).is_pending());
        }
        store.update(|state| Ok(state.following(9))).await.unwrap();
        assert_eq!((store.state().mark, store.state().followed), (mark, 9));
        assert_eq!(State::load(ours.path()).unwrap(), store.state());
    }

    #[tokio::test]
    async fn a_directory_about_to_be_replaced_keeps_its_past() {
        let ours = tempfile::tempdir().unwrap();
        let mark = Mark::Opened { epoch: 3 };
        let opened = State::founder().unwrap().marked(mark).following(4);
        opened.save(ours.path()).unwrap();
        let store = Store::open(ours.path().into()).unwrap();
        store.forsake().await.unwrap();
        let state = store.state();
        assert_ne!(state.data, opened.data);
        assert_eq!((state.mark, state.followed), (mark, 4));
        store.received(9).await.unwrap();
        let state = store.state();
        assert_eq!((state.mark, state.followed), (Mark::Clean, 9));
    }
}
