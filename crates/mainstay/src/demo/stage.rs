//! The directory of a demonstration: the reader's own, or a temporary one that goes away with it.

use std::cell::Cell;
use std::path::{Path, PathBuf};

use crate::output::{Failure, Result};

/// Where everything is kept.
pub(super) struct Stage {
    dir: PathBuf,
    is_temporary: Cell<bool>,
}

impl Stage {
    /// The named directory, which must be empty or absent, or a new temporary one.
    pub(super) fn set(named: Option<&Path>) -> Result<Self> {
        let dir = named.map_or_else(temporary, Path::to_path_buf);
        let is_used = std::fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some());
        if is_used {
            return Err(
                Failure::refused(format!("`{}` is not empty", dir.display()))
                    .hint("name an empty directory, or leave `--dir` out"),
            );
        }
        std::fs::create_dir_all(&dir)
            .map_err(Failure::doing(format!("make `{}`", dir.display())))?;
        Ok(Self {
            dir,
            is_temporary: Cell::new(named.is_none()),
        })
    }

    /// The directory.
    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// It stays: somebody will want to look into it.
    pub(super) fn keep(&self) {
        self.is_temporary.set(false);
    }
}

fn temporary() -> PathBuf {
    std::env::temp_dir().join(format!("mainstay-demo-{}", std::process::id()))
}

impl Drop for Stage {
    fn drop(&mut self) {
        if self.is_temporary.get() {
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stage_when_the_directory_is_in_use_then_refused_and_a_temporary_one_goes_away() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a"), "x").unwrap();
        assert_eq!(Stage::set(Some(dir.path())).err().unwrap().exit.code(), 5);
        let stage = Stage::set(None).unwrap();
        let path = stage.dir().to_owned();
        assert!(path.is_dir());
        drop(stage);
        assert!(!path.exists());
    }
}
