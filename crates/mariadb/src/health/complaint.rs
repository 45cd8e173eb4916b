//! What the server says in its error log of a disk without room for its binlog.
//!
//! Measured (10.11.19): who meets a full disk there holds everybody's commits, sleeps a minute, and tries again: also when
//! there was room again after a tenth of a second, as behind a big temporary file. Nothing but this line tells.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const FULL: &[u8] = b"Disk is full writing './binlog.";
/// The first line of a server.
const STARTS: &[u8] = b"[Note] Starting MariaDB ";
/// It sleeps for 60 s (`MY_WAIT_FOR_USER_TO_FIX_PANIC`).
const SLEEPS: Duration = Duration::from_secs(61);
/// Only so much of what is new is read: the newest.
const WINDOW_BYTES: usize = 64 << 10;
/// Follows one error log.
pub(super) struct Complaints {
    path: PathBuf,
    /// Up to here it is read; what was there in the beginning is not news.
    read: u64,
    since: Option<Instant>,
}

impl Complaints {
    pub(super) fn of(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            read: path.metadata().map_or(0, |log| log.len()),
            since: None,
        }
    }

    /// The running server has met a full disk and may still sleep on it. A log that cannot be read says nothing.
    pub(super) fn is_waiting(&mut self) -> bool {
        if let Ok(news) = self.news() {
            let full = last(&news, FULL);
            let starts = last(&news, STARTS);
            if full.is_some() && full > starts {
                self.since = Some(Instant::now());
            } else if starts.is_some() {
                self.since = None;
            }
        }
        self.since.is_some_and(|since| since.elapsed() < SLEEPS)
    }

    /// The whole lines since the last time.
    fn news(&mut self) -> io::Result<Vec<u8>> {
        let file = File::open(&self.path)?;
        let end = file.metadata()?.len();
        let window = u64::try_from(WINDOW_BYTES).unwrap_or(u64::MAX);
        // Why: a shorter one was emptied or replaced.
        let read = if self.read > end { 0 } else { self.read };
        let from = read.max(end.saturating_sub(window));
        let mut news = vec![0; usize::try_from(end - from).unwrap_or(WINDOW_BYTES)];
        file.read_exact_at(&mut news, from)?;
        let whole = last(&news, b"\n").map_or(0, |at| at + 1);
        news.truncate(whole);
        self.read = from + u64::try_from(whole).unwrap_or(window);
        Ok(news)
    }
}

/// Where these bytes are the last time.
fn last(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len())
        .rposition(|bytes| bytes == wanted)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LINE: &str = "2026-11-21  8:39:09 222 [Warning] mariadbd: Disk is full writing './binlog.000002' (Errcode: 28)\n";

    #[test]
    fn waiting_when_the_log_says_so_then_until_the_server_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mariadb.err");
        assert!(!Complaints::of(&path).is_waiting());
        let mut options = std::fs::OpenOptions::new();
        let mut log = options.create(true).append(true).open(&path).unwrap();
        log.write_all(LINE.as_bytes()).unwrap();
        let mut complaints = Complaints::of(&path);
        assert!(
            !complaints.is_waiting(),
            "what was there before is not news"
        );
        let (first, second) = LINE.split_at(40);
        log.write_all(first.as_bytes()).unwrap();
        assert!(!complaints.is_waiting());
        log.write_all(second.as_bytes()).unwrap();
        assert!(complaints.is_waiting());
        assert!(complaints.is_waiting());
        log.write_all(b"... [Note] Starting MariaDB 10.11.19 source revision as process 7\n")
            .unwrap();
        assert!(!complaints.is_waiting());
        log.write_all(LINE.replace("binlog", "relay").as_bytes())
            .unwrap();
        assert!(!complaints.is_waiting(), "a relay log holds no commits");
        log.set_len(0).unwrap();
        log.write_all(&vec![b'x'; 2 * WINDOW_BYTES]).unwrap();
        log.write_all(LINE.as_bytes()).unwrap();
        assert!(complaints.is_waiting());
    }
}
