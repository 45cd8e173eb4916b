//! The receiving side of a clone: the stream is unpacked and prepared in `<database_dir>.incoming`.
//! The old data directory is not touched here. A stream that is not whole leaves nothing behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::ChildStdin;

use super::check::StreamCheck;
use super::install::incoming_of;
use super::{BINLOG_INFO, INFO, SLAVE_INFO, note_in};
use crate::disk;
use crate::error::{Error, Result};
use crate::exchange;
use crate::priority;
use crate::server::Server;
use crate::tool::{self, LastWords};
use crate::version::Version;

const UNPACK: &str = "mbstream";
const PREPARE: &str = "mariadb-backup";
const BUFFER_BYTES: usize = 256 * 1024;
/// Room left on the disk: a server that still works there hangs on a full one.
const ROOM_BYTES: u64 = 128 << 20;
/// Bytes between two looks at the room.
const ROOM_STEP: u64 = 8 << 20;
/// Files of the source's own replication and process, should a backup ever hold them.
const FOREIGN: &[&str] = &[
    "master.info",
    "multi-master.info",
    "relay-log.info",
    "relay.",
    "relay-log.",
    "binlog.",
    "auto.cnf",
];

/// What a clone is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Taking in the stream.
    Receiving,
    /// Making the copied files consistent.
    Preparing,
    /// Writing everything to disk for good.
    Syncing,
}

/// How far a clone has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub stage: Stage,
    /// Bytes taken in so far.
    pub bytes: u64,
}

/// A whole, prepared copy of another server's data, beside the data directory.
#[derive(Debug)]
pub struct Received {
    /// Where it lies.
    pub(super) dir: PathBuf,
    /// Bytes of the stream.
    pub bytes: u64,
    /// Files in it.
    pub files: u64,
    /// True when the copy was taken at a replica.
    pub is_from_replica: bool,
}

impl Server {
    /// Makes the directory, empty and the server's, in which what is to become the data directory is made.
    pub(crate) async fn make_incoming(&self) -> Result<PathBuf> {
        let database_dir = &self.settings().database_dir;
        let dir = incoming_of(database_dir);
        let leftover = dir.clone();
        blocking(move || disk::remove_dir(&leftover)).await?;
        fs::create_dir_all(disk::parent(database_dir)?)
            .map_err(Error::file("make the parent of the data directory"))?;
        if dir.starts_with(database_dir) {
            let room = exchange::room(database_dir);
            disk::make_private_dir(&room)?;
            self.give(&room)?;
            self.give(database_dir)?;
        }
        disk::make_private_dir(&dir)?;
        self.give(&dir)?;
        Ok(dir)
    }

    /// Takes in the stream of a `backup`, unpacks and prepares it beside the data directory.
    ///
    /// `progress` is called for each piece. The stream must end with an error when its sender failed; a stream
    /// that was cut is refused in any case. On an error, or when the call is given up, the data directory is as it was.
    pub async fn receive(
        &self,
        mut stream: impl AsyncRead + Unpin,
        mut progress: impl FnMut(Progress),
    ) -> Result<Received> {
        let dir = self.make_incoming().await?;
        let outcome = self.fill(&mut stream, &dir, &mut progress).await;
        if outcome.is_err() {
            let _ = blocking(move || disk::remove_dir(&dir)).await;
        }
        outcome
    }

    async fn fill(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        dir: &Path,
        progress: &mut impl FnMut(Progress),
    ) -> Result<Received> {
        let (bytes, files) = self.unpack(stream, dir, progress).await?;
        self.check_version(dir).await?;
        progress(Progress {
            stage: Stage::Preparing,
            bytes,
        });
        self.prepare(dir).await?;
        progress(Progress {
            stage: Stage::Syncing,
            bytes,
        });
        let kept = dir.to_owned();
        blocking(move || {
            remove_foreign(&kept)?;
            disk::sync_all_below(&kept)
        })
        .await?;
        let is_from_replica = note_in(dir, SLAVE_INFO).is_some();
        if !is_from_replica && note_in(dir, BINLOG_INFO).is_none() {
            let why = "it does not say to which position it belongs".to_owned();
            return Err(Error::StreamBroken(why));
        }
        Ok(Received {
            dir: dir.to_owned(),
            bytes,
            files,
            is_from_replica,
        })
    }

    /// A copy is prepared by the programs of the series that wrote it, or not at all.
    async fn check_version(&self, dir: &Path) -> Result<()> {
        let text = note_in(dir, INFO).and_then(|path| fs::read_to_string(path).ok());
        let text = text.unwrap_or_default();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("server_version = "));
        let theirs = Version::parse(line.unwrap_or_default())?;
        let ours = self.installed_version().await?;
        if (ours.major, ours.minor) == (theirs.major, theirs.minor) {
            return Ok(());
        }
        let why = format!("a copy of its data needs the same series, and {ours} is installed here");
        Err(Error::VersionRefused {
            found: theirs.to_string(),
            why,
        })
    }

    async fn unpack(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        dir: &Path,
        progress: &mut impl FnMut(Progress),
    ) -> Result<(u64, u64)> {
        let mut command = self.command_as_owner(UNPACK)?;
        command.arg("-x").arg("-C").arg(dir).stdin(Stdio::piped());
        let mut child = command.spawn().map_err(Error::file("run `mbstream`"))?;
        priority::takes_its_turn(child.id());
        let (Some(mut stdin), Some(stderr)) = (child.stdin.take(), child.stderr.take()) else {
            return Err(Error::unexpected("run `mbstream`", "no pipes"));
        };
        let words = LastWords::listen(stderr);
        let taken = take_in(stream, &mut stdin, dir, progress).await;
        drop(stdin);
        // Why: when mbstream died, the write into it failed too, and its own words say more.
        if let Err(Taking::Stream(error)) = taken {
            return Err(error);
        }
        let status = child.wait().await.map_err(Error::file("run `mbstream`"))?;
        tool::check(UNPACK, status, words.text().await)?;
        match taken {
            Ok(counts) => Ok(counts),
            Err(Taking::Stream(error) | Taking::Unpacker(error)) => Err(error),
        }
    }

    async fn prepare(&self, dir: &Path) -> Result<()> {
        let mut command = self.command_as_owner(PREPARE)?;
        command
            .args(["--no-defaults", "--prepare"])
            .arg(format!("--target-dir={}", dir.display()));
        command.current_dir(dir);
        tool::finish(PREPARE, command).await
    }
}

/// Which side of the copy failed.
enum Taking {
    Stream(Error),
    Unpacker(Error),
}

async fn take_in(
    stream: &mut (impl AsyncRead + Unpin),
    stdin: &mut ChildStdin,
    dir: &Path,
    progress: &mut impl FnMut(Progress),
) -> std::result::Result<(u64, u64), Taking> {
    let broken = |why: String| Taking::Stream(Error::StreamBroken(why));
    let mut check = StreamCheck::new();
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut bytes = 0;
    loop {
        let count = stream
            .read(&mut buffer)
            .await
            .map_err(|e| broken(e.to_string()))?;
        if count == 0 {
            break;
        }
        check.feed(&buffer[..count]).map_err(broken)?;
        if (bytes + count as u64) / ROOM_STEP > bytes / ROOM_STEP || bytes == 0 {
            room(dir).map_err(Taking::Stream)?;
        }
        bytes += count as u64;
        let written = stdin.write_all(&buffer[..count]).await;
        written.map_err(|e| Taking::Unpacker(Error::file("write to `mbstream`")(e)))?;
        progress(Progress {
            stage: Stage::Receiving,
            bytes,
        });
    }
    let files = check.finish().map_err(broken)?;
    Ok((bytes, files))
}

fn room(dir: &Path) -> Result<()> {
    match disk::free_bytes(dir) {
        Ok(free_bytes) if free_bytes < ROOM_BYTES => Err(Error::NoRoom {
            place: dir.to_owned(),
            free_bytes,
        }),
        _ => Ok(()),
    }
}

/// What belongs to the source alone must not act in the clone.
fn remove_foreign(dir: &Path) -> Result<()> {
    let failed = || Error::file(format!("clean `{}`", dir.display()));
    for entry in fs::read_dir(dir).map_err(failed())? {
        let entry = entry.map_err(failed())?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let is_foreign =
            FOREIGN.iter().any(|start| name.starts_with(start)) || name.ends_with(".pid");
        if is_foreign && entry.file_type().is_ok_and(|kind| !kind.is_dir()) {
            fs::remove_file(entry.path()).map_err(failed())?;
        }
    }
    Ok(())
}

/// Runs file work where it may block.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(failed) => Err(Error::unexpected("work on files", failed.to_string())),
    }
}
