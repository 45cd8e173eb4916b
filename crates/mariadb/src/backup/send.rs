//! The sending side of a clone: `mariadb-backup --stream` of this server as bytes to read.

use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, ReadBuf};
use tokio::process::{Child, ChildStdout};

use crate::error::{Error, Result};
use crate::priority;
use crate::server::Server;
use crate::tool::{self, LastWords};

const PROGRAM: &str = "mariadb-backup";
/// Files at the top of the data directory that are no part of a backup.
const NOT_COPIED: &[&str] = &[
    "binlog.",
    "relay.",
    "relay-log.",
    "ib_logfile",
    "ibtmp",
    "master.info",
];

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// A backup on its way, in the format of `mbstream`.
///
/// Reading ends with `Ok(0)` only when the backup is complete and the program has ended well; otherwise
/// the read that would have been the last gives an error with the program's last words. Whoever passes
/// the bytes on must pass on such an end as an error too. Dropped before, the backup is ended.
pub struct BackupStream {
    stdout: Option<ChildStdout>,
    child: Option<(Child, LastWords)>,
    ending: Option<Pin<Box<dyn Future<Output = io::Result<()>> + Send>>>,
    scratch: Scratch,
    estimated_bytes: u64,
}

impl BackupStream {
    /// About how many bytes will come, for a progress bar; the truth may differ by a tenth and more.
    pub fn estimated_bytes(&self) -> u64 {
        self.estimated_bytes
    }
}

impl Server {
    /// Starts a backup of this running server, primary or replica. The server goes on working; its
    /// commits pause for some milliseconds near the end.
    ///
    /// A replica's SQL thread is not stopped (`--safe-slave-backup` would let it fall behind for the
    /// whole copy). The position that mariadb-backup notes at such a source is therefore behind the
    /// data (measured, 10.11.19: by up to 5 transactions); `adopt_clone` does not use it then.
    pub async fn backup(&self) -> Result<BackupStream> {
        let config = self.settings().config_file();
        let scratch = Scratch::new(&self.settings().state_dir)?;
        let database_dir = self.settings().database_dir.clone();
        let estimate = tokio::task::spawn_blocking(move || size_of(&database_dir, true));
        let mut command = self.command(PROGRAM)?;
        command
            .arg(format!("--defaults-file={}", config.display()))
            .args([
                "--backup",
                "--stream=mbstream",
                "--slave-info",
                "--parallel=2",
            ])
            .arg(format!("--user={}", crate::grants::system_user()))
            .arg(format!("--socket={}", self.settings().socket().display()))
            .arg(format!("--target-dir={}", scratch.0.display()))
            .stdout(Stdio::piped());
        let mut child = command
            .spawn()
            .map_err(Error::file("run `mariadb-backup`"))?;
        priority::takes_its_turn(child.id());
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(Error::unexpected("run `mariadb-backup`", "no pipes"));
        };
        let words = LastWords::listen(stderr);
        Ok(BackupStream {
            stdout: Some(stdout),
            child: Some((child, words)),
            ending: None,
            scratch,
            estimated_bytes: estimate.await.unwrap_or_default(),
        })
    }
}

impl AsyncRead for BackupStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(stdout) = &mut this.stdout {
            let before = buf.filled().len();
            ready!(Pin::new(stdout).poll_read(cx, buf))?;
            if buf.filled().len() > before || buf.remaining() == 0 {
                return Poll::Ready(Ok(()));
            }
            this.stdout = None;
        }
        if let Some((mut child, words)) = this.child.take() {
            this.ending = Some(Box::pin(async move {
                let status = child.wait().await?;
                tool::check(PROGRAM, status, words.text().await).map_err(io::Error::other)
            }));
        }
        let Some(ending) = &mut this.ending else {
            return Poll::Ready(Ok(()));
        };
        let outcome = ready!(ending.as_mut().poll(cx));
        this.ending = None;
        this.scratch.clear();
        Poll::Ready(outcome)
    }
}

/// A private directory for what mariadb-backup keeps while it streams; gone with the backup.
struct Scratch(PathBuf);

impl Scratch {
    fn new(state_dir: &Path) -> Result<Self> {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = state_dir.join(format!("backup-{}-{number}", std::process::id()));
        crate::disk::make_private_dir(&path)?;
        Ok(Self(path))
    }

    fn clear(&self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Bytes of the files a backup will hold. Blocks.
fn size_of(dir: &Path, is_top: bool) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    let size = |entry: std::fs::DirEntry| {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        match entry.metadata() {
            Ok(meta) if meta.is_dir() => {
                if is_top {
                    size_of(&entry.path(), false)
                } else {
                    0
                }
            }
            Ok(_) if is_top && NOT_COPIED.iter().any(|start| name.starts_with(start)) => 0,
            Ok(meta) => meta.len(),
            Err(_) => 0,
        }
    };
    entries.flatten().map(size).sum()
}
