//! Replaces all that is in a directory that cannot be renamed itself: the root of a mounted file system.
//!
//! What is to come and what was are kept in a directory of ours within it, which MariaDB and mariadb-backup
//! pass over (`ignore_db_dirs`). Entries are moved one by one; a mark says which way, so that an exchange that
//! was cut short is undone, from whatever point, before a server is started.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::disk;
use crate::error::{Error, Result};
use crate::files;

/// Our directory within a data directory that is a mount point.
pub const ROOM: &str = ".mainstay";
/// What a file system may have of its own at its root. Without `ignore_db_dirs` it is a database to MariaDB, and
/// a backup of it one that mbstream refuses (seen on 10.11.19).
pub(crate) const RECOVERED: &str = "lost+found";
const MARK: &str = "exchange";
/// The old entries are on their way out, the directory holds no new one.
const OUT: &str = "out";
/// The old entries are all out, the directory holds new ones only.
const IN: &str = "in";

/// Our directory within `dir`.
pub(crate) fn room(dir: &Path) -> PathBuf {
    dir.join(ROOM)
}

/// Where in our directory what is to come is made.
pub(crate) fn incoming(dir: &Path) -> PathBuf {
    room(dir).join("incoming")
}

/// Where the data in this directory go when they are put aside for good: beside it, or in our own directory
/// within it when it is a mount point.
pub fn aside_of(database_dir: &Path) -> PathBuf {
    if disk::is_mount_point(database_dir) {
        room(database_dir).join("before-join")
    } else {
        disk::beside(database_dir, ".before-join")
    }
}

/// Puts the data in this directory aside, where `aside_of` says, which must not be there yet. Cut short within a
/// mount point it has moved a part.
pub fn put_aside(database_dir: &Path) -> Result<()> {
    let aside = aside_of(database_dir);
    if !aside.starts_with(database_dir) {
        return disk::rename(database_dir, &aside);
    }
    undo(database_dir)?;
    disk::make_private_dir(&room(database_dir))?;
    disk::make_private_dir(&aside)?;
    move_all(database_dir, &aside).map(drop)
}

/// True when there is nothing of anybody's in it.
pub(crate) fn is_vacant(dir: &Path) -> bool {
    entries(dir).is_ok_and(|names| names.is_empty())
}

/// True when an exchange was begun and neither completed nor undone.
pub(crate) fn is_half_way(dir: &Path) -> bool {
    mark(dir).exists()
}

/// Puts what is in `incoming` into `dir`, and what was there into `old`, a new directory in our own.
/// False when there was nothing, and `old` is not made.
pub(crate) fn exchange(dir: &Path, old: &Path) -> Result<bool> {
    undo(dir)?;
    disk::make_private_dir(old)?;
    let done = (|| {
        set_mark(dir, OUT, old)?;
        let were_any = move_all(dir, old)?;
        set_mark(dir, IN, old)?;
        move_all(&incoming(dir), dir)?;
        Ok(were_any)
    })();
    let were_any = match done {
        Ok(were_any) => were_any,
        Err(error) => {
            undo(dir)?;
            return Err(error);
        }
    };
    clear_mark(dir)?;
    disk::remove_dir(&incoming(dir))?;
    if !were_any {
        disk::remove_dir(old)?;
    }
    Ok(were_any)
}

/// Takes an exchange back that was cut short; true if there was one. Cut short itself, it is to be repeated.
pub(crate) fn undo(dir: &Path) -> Result<bool> {
    let path = mark(dir);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::file(format!("read `{}`", path.display()))(error)),
    };
    let unknown = || Error::unexpected("undo a clone", format!("`{}` is not ours", path.display()));
    let (way, old) = text.trim_end().split_once(' ').ok_or_else(unknown)?;
    let is_name = Path::new(old).file_name() == Some(OsStr::new(old));
    if !is_name || ![OUT, IN].contains(&way) {
        return Err(unknown());
    }
    let old = room(dir).join(old);
    if way == IN {
        let incoming = incoming(dir);
        disk::make_private_dir(&incoming)?;
        move_all(dir, &incoming)?;
        set_mark(dir, OUT, &old)?;
    }
    if old.exists() {
        move_all(&old, dir)?;
    }
    clear_mark(dir)?;
    disk::remove_dir(&old)?;
    Ok(true)
}

fn mark(dir: &Path) -> PathBuf {
    room(dir).join(MARK)
}

fn set_mark(dir: &Path, way: &str, old: &Path) -> Result<()> {
    let name = old.file_name().unwrap_or_default().to_string_lossy();
    files::write_private(&mark(dir), &format!("{way} {name}\n"))
}

fn clear_mark(dir: &Path) -> Result<()> {
    let path = mark(dir);
    fs::remove_file(&path).map_err(Error::file(format!("remove `{}`", path.display())))?;
    disk::sync_dir(&room(dir))
}

/// Moves everything but what stays; durable when it returns. True when there was anything.
fn move_all(from: &Path, to: &Path) -> Result<bool> {
    let names = entries(from)?;
    for name in &names {
        let (source, target) = (from.join(name), to.join(name));
        let (shown, into) = (source.display(), to.display());
        fs::rename(&source, &target).map_err(Error::file(format!("move `{shown}` to `{into}`")))?;
    }
    disk::sync_dir(to)?;
    disk::sync_dir(from)?;
    Ok(!names.is_empty())
}

/// The names of what can be exchanged.
fn entries(dir: &Path) -> Result<Vec<std::ffi::OsString>> {
    let failed = || Error::file(format!("list `{}`", dir.display()));
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).map_err(failed())? {
        let name = entry.map_err(failed())?.file_name();
        if name != ROOM && name != RECOVERED {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: [&str; 2] = ["ibdata1", "mysql"];
    const NEW: [&str; 3] = ["ibdata1", "mysql", "notes"];

    /// A directory with old files and new ones to come, each with its kind as its content.
    fn prepared() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let incoming = incoming(dir.path());
        fs::create_dir_all(&incoming).unwrap();
        fs::create_dir(dir.path().join(RECOVERED)).unwrap();
        for name in OLD {
            fs::write(dir.path().join(name), "old").unwrap();
        }
        for name in NEW {
            fs::write(incoming.join(name), "new").unwrap();
        }
        dir
    }

    fn holds(dir: &Path, names: &[&str], what: &str) {
        assert_eq!(entries(dir).unwrap(), names);
        for name in names {
            assert_eq!(fs::read_to_string(dir.join(name)).unwrap(), what);
        }
    }

    #[test]
    fn exchange_when_it_completes_then_the_old_is_kept_and_nothing_else_is_left() {
        let top = prepared();
        let dir = top.path();
        let old = room(dir).join("before");
        assert!(exchange(dir, &old).unwrap());
        holds(dir, &NEW, "new");
        holds(&old, &OLD, "old");
        assert!(dir.join(RECOVERED).exists() && !incoming(dir).exists() && !is_half_way(dir));
        assert!(!undo(dir).unwrap());
        holds(dir, &NEW, "new");
    }

    #[test]
    fn exchange_when_there_was_nothing_then_no_old_is_kept() {
        let top = prepared();
        let dir = top.path();
        for name in OLD {
            fs::remove_file(dir.join(name)).unwrap();
        }
        assert!(is_vacant(dir));
        let old = room(dir).join("before");
        assert!(!exchange(dir, &old).unwrap());
        holds(dir, &NEW, "new");
        assert!(!old.exists());
    }

    /// Stops an exchange after each of its moves, and the undoing of it after each of its own.
    #[test]
    fn exchange_when_cut_short_anywhere_then_it_is_undone_to_the_old() {
        for moves in 0..=OLD.len() + NEW.len() {
            for undone in 0..=moves {
                let top = prepared();
                let dir = top.path();
                let (old, incoming) = (room(dir).join("before"), incoming(dir));
                fs::create_dir(&old).unwrap();
                set_mark(dir, OUT, &old).unwrap();
                let mut steps: Vec<(PathBuf, PathBuf)> = Vec::new();
                for name in OLD {
                    steps.push((dir.join(name), old.join(name)));
                }
                for name in NEW {
                    steps.push((incoming.join(name), dir.join(name)));
                }
                for (number, (from, to)) in steps.iter().take(moves).enumerate() {
                    if number == OLD.len() {
                        set_mark(dir, IN, &old).unwrap();
                    }
                    fs::rename(from, to).unwrap();
                }
                for (number, (from, to)) in steps.iter().take(moves).rev().take(undone).enumerate()
                {
                    if moves - number == OLD.len() {
                        set_mark(dir, OUT, &old).unwrap();
                    }
                    fs::rename(to, from).unwrap();
                }
                assert!(undo(dir).unwrap(), "{moves} {undone}");
                holds(dir, &OLD, "old");
                assert!(!old.exists() && !is_half_way(dir), "{moves} {undone}");
            }
        }
    }

    #[test]
    fn mark_when_it_names_a_place_elsewhere_then_nothing_is_moved() {
        let top = prepared();
        let dir = top.path();
        for text in [
            "out ../elsewhere\n",
            "in /etc\n",
            "out\n",
            "away before\n",
            "",
        ] {
            files::write_private(&mark(dir), text).unwrap();
            assert!(matches!(undo(dir), Err(Error::Unexpected { .. })), "{text}");
            holds(dir, &OLD, "old");
        }
    }
}
