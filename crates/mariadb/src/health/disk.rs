//! Writes and syncs one block on the data disk, in a thread of its own: on a hung disk the call never returns. There, too: what
//! the server says of a full one.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::io::Errno;
use tokio::sync::oneshot;

use super::complaint::Complaints;
use super::pending::Pending;
use crate::disk::free_bytes;

/// Name of our block in the data directory; MariaDB and mariadb-backup pass over files they do not know.
const FILE: &str = "mainstay.probe";
const BLOCK_BYTES: usize = 512;

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum DiskAnswer {
    Written { free_bytes: u64 },
    Silent,
    ReadOnly,
    Full { free_bytes: u64 },
    Failed(String),
}

type Asked = oneshot::Sender<DiskAnswer>;

/// One thread, started when first needed. Limit: if the disk hangs when the prober is dropped, the thread is left.
pub(super) struct DiskProbe {
    dir: PathBuf,
    error_log: PathBuf,
    thread: Option<mpsc::Sender<Asked>>,
    pending: Pending<DiskAnswer>,
}

impl DiskProbe {
    pub(super) fn new(dir: &Path, error_log: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            error_log: error_log.to_owned(),
            thread: None,
            pending: Pending::new(),
        }
    }

    pub(super) async fn probe(&mut self, limit: Duration) -> DiskAnswer {
        let thread = match &self.thread {
            Some(thread) => thread.clone(),
            None => match start(self.dir.clone(), &self.error_log) {
                Ok(thread) => self.thread.insert(thread).clone(),
                Err(error) => return DiskAnswer::Failed(format!("start a thread: {error}")),
            },
        };
        self.pending
            .run(limit, || ask(thread))
            .await
            .unwrap_or(DiskAnswer::Silent)
    }
}

async fn ask(thread: mpsc::Sender<Asked>) -> DiskAnswer {
    let (answer, answered) = oneshot::channel();
    let ended = || DiskAnswer::Failed("the probing thread has ended".to_owned());
    if thread.send(answer).is_err() {
        return ended();
    }
    answered.await.unwrap_or_else(|_| ended())
}

fn start(dir: PathBuf, error_log: &Path) -> io::Result<mpsc::Sender<Asked>> {
    let (sender, receiver) = mpsc::channel::<Asked>();
    let mut complaints = Complaints::of(error_log);
    let run = move || {
        while let Ok(asked) = receiver.recv() {
            let answer = match write_block(&dir) {
                DiskAnswer::Written { free_bytes } if complaints.is_waiting() => {
                    DiskAnswer::Full { free_bytes }
                }
                answer => answer,
            };
            let _ = asked.send(answer);
        }
    };
    std::thread::Builder::new()
        .name("disk-probe".to_owned())
        .spawn(run)?;
    Ok(sender)
}

/// Opened each time: a clone replaces the whole directory.
fn write_block(dir: &Path) -> DiskAnswer {
    let write = || {
        let mut options = OpenOptions::new();
        let file = options
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(FILE))?;
        let mut block = [0; BLOCK_BYTES];
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        block[..16].copy_from_slice(&now.as_nanos().to_le_bytes());
        file.write_all_at(&block, 0)?;
        file.sync_data()
    };
    let free = || free_bytes(dir).unwrap_or(0);
    match write() {
        Ok(()) => DiskAnswer::Written { free_bytes: free() },
        Err(error) => match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::ROFS) => DiskAnswer::ReadOnly,
            Some(Errno::NOSPC | Errno::DQUOT) => DiskAnswer::Full { free_bytes: free() },
            _ => DiskAnswer::Failed(format!("write `{}`: {error}", dir.join(FILE).display())),
        },
    }
}
