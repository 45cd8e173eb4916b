//! Looks at a store without touching it: whose it is, which format it has, whether it is whole. Done
//! on a copy in memory, because opening the file writes to it even when it is refused afterwards.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use redb::backends::InMemoryBackend;
use redb::{Database, DatabaseError, StorageBackend as _};

use super::file::{check_owner, failed, load, read_meta};
use super::voter::Identity;
use crate::{Error, Result};

/// Limit: a store has some megabytes; a larger one is left to be judged when it is opened.
const COPY_LIMIT: u64 = 256 << 20;
/// Name of the thread that looks: a panic on it is damage found in the file, returned as an error, and a
/// panic hook may pass over it.
pub const THREAD: &str = "ledger-look";

/// Refuses a store that is another's, newer or damaged. An absent one is none of these.
pub(crate) fn look(dir: &Path, me: &Identity) -> Result<()> {
    let path = dir.join("ledger.redb");
    let length = match std::fs::metadata(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|error| failed("read", &error))?.len(),
    };
    // Why not empty: a crash right after the file was made leaves it so, and it is made anew.
    if length == 0 || length > COPY_LIMIT {
        return Ok(());
    }
    let bytes = std::fs::read(&path).map_err(|error| failed("read", &error))?;
    let (path, me) = (path.clone(), me.clone());
    // Why a thread: the library panics on some kinds of damage.
    let looking = std::thread::Builder::new()
        .name(THREAD.into())
        .spawn(move || examine(&bytes, &path, &me))
        .map_err(|error| failed("start thread", &error))?;
    let damaged = |_| Error::StoreDamaged {
        path: dir.join("ledger.redb"),
        why: "its pages contradict each other".to_owned(),
    };
    looking.join().map_err(damaged)?
}

fn examine(bytes: &[u8], path: &Path, me: &Identity) -> Result<()> {
    let damaged = |why: String| Error::StoreDamaged {
        path: PathBuf::from(path),
        why,
    };
    let backend = InMemoryBackend::new();
    let copied = backend
        .set_len(bytes.len() as u64)
        .and_then(|()| backend.write(0, bytes));
    copied.map_err(|error| failed("copy", &error))?;
    let opened = Database::builder().create_with_backend(backend);
    let mut database = opened.map_err(|error| match error {
        DatabaseError::Storage(error) => damaged(error.to_string()),
        DatabaseError::UpgradeRequired(version) => {
            damaged(format!("it is a file of version {version}"))
        }
        other => failed("open", &other),
    })?;
    // Why first: of a damaged file of another the owner is the better news.
    if let Ok(Some(meta)) = read_meta(&database) {
        check_owner(&meta, path, me)?;
    }
    database
        .check_integrity()
        .map_err(|error| damaged(error.to_string()))?;
    load(&database, path, me).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::disk::Disk;
    use super::*;

    fn me() -> Identity {
        Identity {
            cluster: "c".into(),
            node: 1,
        }
    }

    fn made() -> (tempfile::TempDir, Vec<u8>) {
        let dir = tempfile::tempdir().unwrap();
        Disk::open(dir.path(), &me()).unwrap().0.close();
        let bytes = std::fs::read(dir.path().join("ledger.redb")).unwrap();
        (dir, bytes)
    }

    #[test]
    fn store_when_it_is_ours_absent_or_empty_then_nothing_is_said_and_nothing_changes() {
        let (dir, bytes) = made();
        look(dir.path(), &me()).unwrap();
        assert_eq!(
            std::fs::read(dir.path().join("ledger.redb")).unwrap(),
            bytes
        );
        std::fs::write(dir.path().join("ledger.redb"), "").unwrap();
        look(dir.path(), &me()).unwrap();
        std::fs::remove_file(dir.path().join("ledger.redb")).unwrap();
        look(dir.path(), &me()).unwrap();
        assert!(!dir.path().join("ledger.redb").exists());
    }

    #[test]
    fn store_when_another_nodes_or_damaged_anywhere_then_refused() {
        let (dir, bytes) = made();
        let other = Identity { node: 2, ..me() };
        assert!(matches!(
            look(dir.path(), &other),
            Err(Error::ForeignStore { .. })
        ));
        let path = dir.path().join("ledger.redb");
        std::fs::write(&path, &bytes[..5_000]).unwrap();
        assert!(matches!(
            look(dir.path(), &me()),
            Err(Error::StoreDamaged { .. })
        ));
        std::fs::write(&path, vec![7; bytes.len()]).unwrap();
        assert!(matches!(
            look(dir.path(), &me()),
            Err(Error::StoreDamaged { .. })
        ));
        for page in 1..bytes.len() / 4_096 {
            let mut torn = bytes.clone();
            torn[page * 4_096..][..4_096].fill(0xa5);
            std::fs::write(&path, &torn).unwrap();
            // Not every page is in use; what counts is that there is an answer.
            let _ = look(dir.path(), &me());
        }
        let mut torn = bytes.clone();
        torn[4_096..].fill(0xa5);
        std::fs::write(&path, &torn).unwrap();
        assert!(matches!(
            look(dir.path(), &me()),
            Err(Error::StoreDamaged { .. })
        ));
    }
}
