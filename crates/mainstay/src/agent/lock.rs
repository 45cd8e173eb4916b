//! One agent per DATA_DIR: a lock that the kernel gives back however the agent ends.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::output::{Failure, Result};

/// The lock, held as long as this lives.
pub(super) struct Lock(#[expect(dead_code, reason = "it is held, not read")] File);

impl Lock {
    /// Says when another agent has it now; makes nothing.
    pub(super) fn look(data_dir: &Path) -> Result<()> {
        let path = data_dir.join("agent.lock");
        match File::open(&path) {
            Ok(file) => lock(&file, &path),
            // What is missing or unreadable is for `take` and the papers to say.
            Err(_) => Ok(()),
        }
    }

    /// Takes it, or says that another agent has it.
    pub(super) fn take(data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("agent.lock");
        if !data_dir.is_dir() {
            return Err(
                Failure::new(format!("`{}` is no node's directory", data_dir.display()))
                    .hint("make this server a node with `mainstay init` or `mainstay join`"),
            );
        }
        let mut open = OpenOptions::new();
        let opened = open
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let file = opened.map_err(Failure::on_disk(format!("open `{}`", path.display())))?;
        lock(&file, &path)?;
        Ok(Self(file))
    }
}

fn lock(file: &File, path: &Path) -> Result {
    flock(file, FlockOperation::NonBlockingLockExclusive).map_err(|error| {
        Failure::refused("another agent runs this node")
            .cause(format!("`{}`: {error}", path.display()))
            .hint("`mainstay status` asks it")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lock_when_another_agent_has_it_then_refused_and_free_again_after_its_end() {
        let dir = tempfile::tempdir().unwrap();
        Lock::look(dir.path()).unwrap();
        let first = Lock::take(dir.path()).unwrap();
        assert_eq!(Lock::look(dir.path()).unwrap_err().exit.code(), 5);
        assert_eq!(Lock::take(dir.path()).err().unwrap().exit.code(), 5);
        drop(first);
        Lock::take(dir.path()).unwrap();
    }
}
