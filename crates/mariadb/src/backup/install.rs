//! Puts a received copy in the place of the data directory. The old one is kept beside it.
//!
//! Two renames: `database_dir` to `.before-clone-TIME`, `.incoming` to `database_dir`. A crash between them leaves no
//! data directory; `recover_install` puts the old one back, and is to be called before a server is started. The root
//! of a mounted file system cannot be renamed: there all this happens within it, entry by entry (`exchange.rs`).

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::receive::{Received, blocking};
use crate::disk;
use crate::error::{Error, Result};
use crate::exchange;
use crate::server::Server;

const OLD: &str = ".before-clone-";
/// The same within a mounted file system.
const OLD_WITHIN: &str = "before-clone-";

impl Server {
    /// Puts `received` in the place of the data directory; the server must not run. Returns where the old
    /// directory is kept, if there was one. After it `adopt_clone` is due.
    pub async fn install_clone(&self, received: Received) -> Result<Option<PathBuf>> {
        if let Some(pid) = self.find_running().await {
            return Err(Error::AlreadyRunning(pid));
        }
        let database_dir = self.settings().database_dir.clone();
        blocking(move || swap(&received.dir, &database_dir)).await
    }

    /// After a crash within `install_clone`: puts the old data directory back. True when that was needed.
    /// An interrupted `receive` needs nothing: its leftovers are removed by the next one.
    pub async fn recover_install(&self) -> Result<bool> {
        let database_dir = self.settings().database_dir.clone();
        blocking(move || {
            if database_dir.exists() {
                return exchange::undo(&database_dir);
            }
            let Some(latest) = old_copies(&database_dir)?.pop() else {
                return Ok(false);
            };
            disk::rename(&latest, &database_dir)?;
            Ok(true)
        })
        .await
    }

    /// Data directories that clones have replaced, oldest first.
    pub fn old_copies(&self) -> Result<Vec<PathBuf>> {
        old_copies(&self.settings().database_dir)
    }

    /// Removes the data directories that clones have replaced; to be called once this node is in sync.
    /// Returns how many there were.
    pub async fn forget_old_copies(&self) -> Result<usize> {
        let database_dir = self.settings().database_dir.clone();
        blocking(move || {
            // Why: with nothing in its place, the old copy is the data.
            if !database_dir.exists() || exchange::is_half_way(&database_dir) {
                return Err(Error::DataMissing(database_dir));
            }
            let copies = old_copies(&database_dir)?;
            copies.iter().try_for_each(|copy| disk::remove_dir(copy))?;
            Ok(copies.len())
        })
        .await
    }
}

/// Puts `incoming`, made where `incoming_of` says, in the place of the data directory.
pub(crate) fn swap(incoming: &Path, database_dir: &Path) -> Result<Option<PathBuf>> {
    if !incoming.join("mysql").is_dir() {
        return Err(Error::DataMissing(incoming.to_owned()));
    }
    if incoming == exchange::incoming(database_dir) {
        let old = free_name(&exchange::room(database_dir).join(OLD_WITHIN));
        return Ok(exchange::exchange(database_dir, &old)?.then_some(old));
    }
    if !database_dir.exists() {
        disk::rename(incoming, database_dir)?;
        return Ok(None);
    }
    let old = free_name(&disk::beside(database_dir, OLD));
    disk::rename(database_dir, &old)?;
    if let Err(error) = disk::rename(incoming, database_dir) {
        let _ = disk::rename(&old, database_dir);
        return Err(error);
    }
    Ok(Some(old))
}

/// Where what is to become the data directory is made.
pub(crate) fn incoming_of(database_dir: &Path) -> PathBuf {
    if disk::is_mount_point(database_dir) {
        exchange::incoming(database_dir)
    } else {
        disk::beside(database_dir, ".incoming")
    }
}

/// A name for the old directory that sorts by time and is not taken.
fn free_name(start: &Path) -> PathBuf {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let name = |second: u64| disk::beside(start, &format!("{second:012}"));
    let mut second = now;
    while name(second).exists() {
        second += 1;
    }
    name(second)
}

fn old_copies(database_dir: &Path) -> Result<Vec<PathBuf>> {
    let mut copies = named_by_time(&disk::beside(database_dir, OLD))?;
    let room = exchange::room(database_dir);
    if room.exists() {
        copies.extend(named_by_time(&room.join(OLD_WITHIN))?);
    }
    Ok(copies)
}

/// What is there by a name that begins so and ends with a time, the oldest first.
fn named_by_time(start: &Path) -> Result<Vec<PathBuf>> {
    let parent = disk::parent(start)?;
    let prefix = start.file_name().unwrap_or_default().to_string_lossy();
    let failed = || Error::file(format!("list `{}`", parent.display()));
    let is_copy = |name: &str| {
        name.strip_prefix(&*prefix)
            .is_some_and(|time| !time.is_empty() && time.bytes().all(|b| b.is_ascii_digit()))
    };
    let mut copies = Vec::new();
    for entry in std::fs::read_dir(parent).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        if is_copy(&entry.file_name().to_string_lossy()) {
            copies.push(entry.path());
        }
    }
    copies.sort();
    Ok(copies)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn data(dir: &Path, mark: &str) {
        fs::create_dir_all(dir.join("mysql")).unwrap();
        fs::write(dir.join("mark"), mark).unwrap();
    }

    fn mark(dir: &Path) -> String {
        fs::read_to_string(dir.join("mark")).unwrap()
    }

    #[test]
    fn old_directory_is_kept_when_a_copy_takes_its_place() {
        let top = tempfile::tempdir().unwrap();
        let (incoming, database) = (top.path().join("db.incoming"), top.path().join("db"));
        data(&database, "first");
        for (mark_of_copy, expected_old) in [("second", "first"), ("third", "second")] {
            data(&incoming, mark_of_copy);
            let old = swap(&incoming, &database).unwrap().unwrap();
            assert_eq!(
                (mark(&database).as_str(), mark(&old).as_str()),
                (mark_of_copy, expected_old)
            );
        }
        fs::create_dir(top.path().join("db.before-clone-of-something-else")).unwrap();
        assert_eq!(old_copies(&database).unwrap().len(), 2);
    }

    #[test]
    fn directory_without_data_is_never_installed() {
        let top = tempfile::tempdir().unwrap();
        let (incoming, database) = (top.path().join("db.incoming"), top.path().join("db"));
        data(&database, "first");
        fs::create_dir(&incoming).unwrap();
        assert!(matches!(
            swap(&incoming, &database),
            Err(Error::DataMissing(_))
        ));
        assert_eq!(mark(&database), "first");
    }
}
