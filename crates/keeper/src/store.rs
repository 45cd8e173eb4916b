//! The state file in use, and the tag inside the data directory: a directory that was emptied,
//! restored or replaced behind our back is found out and vouches for nothing.

use std::io::Write;
use std::path::{Path, PathBuf};

use cluster::{DataId, Mark};
use tokio::sync::watch;

use crate::{Error, Result, State};

/// Name of the tag; MariaDB passes over files it does not know, and a backup does not copy them.
const TAG: &str = "mainstay-data-id";

/// The state file and what is in it.
pub(crate) struct Store {
    dir: PathBuf,
    state: watch::Sender<State>,
}

impl Store {
    pub(crate) fn open(dir: PathBuf) -> Result<Self> {
        let state = watch::Sender::new(State::load(&dir)?);
        Ok(Self { dir, state })
    }

    pub(crate) fn state(&self) -> State {
        self.state.borrow().clone()
    }

    /// Durable when this returns.
    pub(crate) async fn update(&self, change: impl FnOnce(&State) -> Result<State>) -> Result<()> {
        let next = change(&self.state())?;
        if next == self.state() {
            return Ok(());
        }
        let (dir, kept) = (self.dir.clone(), next.clone());
        blocking(move || kept.save(&dir)).await?;
        self.state.send_replace(next);
        Ok(())
    }

    /// A new data id, in the state file and then in the data directory. Interrupted in between, the
    /// directory is found to be another one, which is as good.
    pub(crate) async fn renounce(&self, mark: Mark, database_dir: &Path) -> Result<()> {
        self.update(|state| state.renounced(mark)).await?;
        self.tag(database_dir).await
    }

    /// Writes the present id into the data directory.
    pub(crate) async fn tag(&self, database_dir: &Path) -> Result<()> {
        let (dir, data) = (database_dir.to_owned(), self.state().data);
        blocking(move || write_tag(&dir, data)).await?;
        self.update(|state| Ok(state.tagged())).await
    }

    /// At the start of the agent: is this the directory that the state file speaks of?
    pub(crate) async fn recognise(&self, database_dir: &Path) -> Result<()> {
        let dir = database_dir.to_owned();
        let found = blocking(move || read_tag(&dir)).await?;
        let state = self.state();
        if !state.is_tagged() {
            return self.tag(database_dir).await;
        }
        if found == Some(state.data) {
            return Ok(());
        }
        tracing::warn!(
            directory = %database_dir.display(),
            "the data directory is not the one this node had: it vouches for nothing until it has caught up"
        );
        self.renounce(state.mark, database_dir).await
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
        store.recognise(data.path()).await.unwrap();
        store.recognise(data.path()).await.unwrap();
        assert_eq!(store.state().data, id);
        std::fs::remove_file(data.path().join(TAG)).unwrap();
        store.recognise(data.path()).await.unwrap();
        assert_ne!(store.state().data, id);
        assert_eq!(State::load(ours.path()).unwrap(), store.state());
    }
}
