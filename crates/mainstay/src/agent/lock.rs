//! One agent per DATA_DIR: a lock that the kernel gives back however the agent ends.

use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::output::{Failure, Result};

/// The lock, held as long as this lives.
pub(super) struct Lock(File);

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

    /// The same lock from the process that has it: it is given back when both have let go of it.
    pub(super) fn inherit(file: OwnedFd, data_dir: &Path) -> Result<Self> {
        let path = data_dir.join("agent.lock");
        let file = File::from(file);
        let failed = || Failure::on_disk(format!("look at `{}`", path.display()));
        let here = std::fs::metadata(&path).map_err(failed())?;
        let given = file.metadata().map_err(failed())?;
        if (here.dev(), here.ino()) != (given.dev(), given.ino()) {
            return Err(Failure::refused(
                "`node.data_dir` is another one than the running agent's",
            )
            .hint("put it back, or end the agent and start it again"));
        }
        lock(&file, &path)?;
        Ok(Self(file))
    }

    /// The same lock, for another process.
    pub(super) fn lend(&self) -> Result<OwnedFd> {
        let copy = self
            .0
            .try_clone()
            .map_err(Failure::doing("lend the lock"))?;
        Ok(copy.into())
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
        let other = tempfile::tempdir().unwrap();
        drop(Lock::take(other.path()).unwrap());
        let refused = Lock::inherit(first.lend().unwrap(), other.path());
        assert_eq!(refused.err().unwrap().exit.code(), 5);
        let second = Lock::inherit(first.lend().unwrap(), dir.path()).unwrap();
        drop(first);
        assert_eq!(Lock::take(dir.path()).err().unwrap().exit.code(), 5);
        drop(second);
        Lock::take(dir.path()).unwrap();
    }
}
