//! What can go wrong with one MariaDB server, as facts of the domain.
//! Messages never carry a secret; texts of the server are cut to a bounded length.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use wire::gtid::{Gtid, Position};

use crate::version::Version;

/// Result of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// Longest text of the server or of a tool that an error carries, in bytes.
pub(crate) const TEXT_LIMIT: usize = 2000;

/// Why an operation on the server was not done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting that can never work.
    #[error("setting `{name}` is not usable: {why}")]
    BadSetting {
        /// Name of the field or option.
        name: String,
        /// What is wrong with it.
        why: String,
    },
    /// A `my.cnf` option of the user that would undo an enforced one.
    #[error("option `{name}` cannot be set: {why}")]
    OptionRefused {
        /// Name as the user wrote it.
        name: String,
        /// What it would break.
        why: String,
    },
    /// A program of the MariaDB packages is not installed.
    #[error("program `{0}` not found")]
    ProgramMissing(String),
    /// This server cannot be lossless.
    #[error("MariaDB {found} is refused: {why}")]
    VersionRefused {
        /// What the program or server calls itself.
        found: String,
        /// The floor it is below.
        why: String,
    },
    /// A server does not read the data of a later one, and may damage them.
    #[error("the data in `{place}` are of MariaDB {data}, the server installed here is {server}")]
    DataNewer {
        /// The data directory.
        place: PathBuf,
        /// Which version had it last.
        data: Version,
        /// Which version is here.
        server: Version,
    },
    /// Data would have been overwritten.
    #[error("`{0}` already holds data")]
    DataPresent(PathBuf),
    /// No database there.
    #[error("`{0}` holds no MariaDB data")]
    DataMissing(PathBuf),
    /// A file or directory of ours.
    #[error("{doing}: {source}")]
    File {
        /// Bare verb and path.
        doing: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A program ended with a failure.
    #[error("`{program}` failed ({exit}): {log}")]
    ProgramFailed {
        /// Its name.
        program: String,
        /// How it ended.
        exit: String,
        /// Last lines of what it said.
        log: String,
    },
    /// The server ended before it answered.
    #[error("MariaDB did not start ({exit}): {log}")]
    StartFailed {
        /// How it ended.
        exit: String,
        /// Last lines of the error log of this start.
        log: String,
    },
    /// The server runs and does not answer yet: crash recovery may take long. It was left running.
    #[error("MariaDB (pid {pid}) does not answer after {limit:?}, it was left starting: {log}")]
    StillStarting {
        /// Its process.
        pid: u32,
        /// How long was waited.
        limit: Duration,
        /// Last lines of the error log of this start.
        log: String,
    },
    /// It should not be running for this.
    #[error("MariaDB is already running (pid {0})")]
    AlreadyRunning(u32),
    /// It should be running for this.
    #[error("MariaDB is not running")]
    NotRunning,
    /// A signal did not end it, as happens when its disk hangs.
    #[error("MariaDB (pid {pid}) is still there {limit:?} after {signal} (process state {state})")]
    StillThere {
        /// Its process.
        pid: u32,
        /// Letter of /proc/PID/stat: `D` waits for a disk.
        state: char,
        /// Name of the signal sent.
        signal: &'static str,
        /// How long was waited.
        limit: Duration,
    },
    /// No session could be opened.
    #[error("connect to MariaDB: {0}")]
    Connect(String),
    /// Error 1040, also for the administrator.
    #[error("connect to MariaDB: all connections are in use (1040)")]
    TooManyConnections,
    /// A session was lost within a statement: whether it took effect is unknown.
    #[error("{doing}: connection lost: {why}")]
    ConnectionLost {
        /// Bare verb.
        doing: String,
        /// What the driver said.
        why: String,
    },
    /// The deadline of an operation has passed: whether it takes effect is unknown.
    #[error("{doing}: no answer within {limit:?}")]
    Timeout {
        /// Bare verb.
        doing: String,
        /// The deadline.
        limit: Duration,
    },
    /// The server refused a statement.
    #[error("{doing}: {message} ({code})")]
    Sql {
        /// Bare verb.
        doing: String,
        /// MariaDB's error number.
        code: u16,
        /// MariaDB's text.
        message: String,
    },
    /// The server answered something that cannot be.
    #[error("{doing}: unexpected answer: {what}")]
    Unexpected {
        /// Bare verb.
        doing: String,
        /// What came.
        what: String,
    },
    /// Received transactions are not applied yet; going on would throw them away (MDEV-4698).
    #[error("received up to `{received}`, applied only up to `{applied}`")]
    NotDrained {
        /// End of the relay log.
        received: Position,
        /// End of what is applied.
        applied: Position,
    },
    /// The applying thread does not run, so waiting for it makes no sense.
    #[error("apply is stopped at `{applied}`{}", text_of(*.code, .text))]
    ApplyStopped {
        /// End of what is applied.
        applied: Position,
        /// MariaDB's error number, 0 when it was stopped on purpose.
        code: u32,
        /// MariaDB's text.
        text: String,
    },
    /// The server was started over relay logs that nobody has looked at; the first START SLAVE would delete them.
    #[error(
        "the relay log from before the last start has not been examined, a salvage must run first"
    )]
    RelayLogUnexamined,
    /// A replica with the primary's semi-sync switch on stalls for good.
    #[error("the semi-sync switch of a primary is on at a server that is to replicate")]
    SemiSyncPrimaryOn,
    /// Switching semi-sync off would tell these clients OK for a write that nobody has.
    #[error("{0} commits wait for an acknowledgement")]
    CommitsWaiting(u64),
    /// It still takes writes.
    #[error("the server is not read-only")]
    NotReadOnly,
    /// It replicates from a primary.
    #[error("the server is set up as a replica")]
    IsReplica,
    /// It replicates from nobody.
    #[error("the server is not set up as a replica")]
    NotAReplica,
    /// The bytes of a clone stopped short or were not what they should be.
    #[error("the stream of the clone is not usable: {0}")]
    StreamBroken(String),
    /// Going on would fill the disk, on which another server may still work.
    #[error("only {free_bytes} bytes are free beside `{place}`")]
    NoRoom {
        /// Where the copy was to be made.
        place: PathBuf,
        /// What ordinary processes can still write there.
        free_bytes: u64,
    },
    /// A server that starts there would wait for room, and look again once a minute.
    #[error("only {free_bytes} bytes are free in `{place}`: too few to start a server")]
    NoRoomToStart {
        /// The data directory.
        place: PathBuf,
        /// What ordinary processes can still write there.
        free_bytes: u64,
    },
    /// Nothing outside the server can read it.
    #[error("log `{0}` is encrypted")]
    LogEncrypted(PathBuf),
    /// Transactions between the server's position and its relay log are nowhere.
    #[error("the relay log goes on with {next}, the server is at `{after}`")]
    RelayLogGap {
        /// What the server has or could have.
        after: Position,
        /// The next transaction in the files.
        next: Gtid,
    },
    /// Its data can be made right only by a copy of another server's.
    #[error("a clone is needed: {why}")]
    NeedsClone {
        /// What stands against less.
        why: String,
    },
}

fn text_of(code: u32, text: &str) -> String {
    if code == 0 {
        String::new()
    } else {
        format!(": {text} ({code})")
    }
}

impl Error {
    pub(crate) fn file(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::File { doing, source }
    }

    pub(crate) fn setting(name: &str, why: impl Into<String>) -> Self {
        Self::BadSetting {
            name: name.to_owned(),
            why: why.into(),
        }
    }

    pub(crate) fn unexpected(doing: &str, what: impl Into<String>) -> Self {
        Self::Unexpected {
            doing: doing.to_owned(),
            what: cut(&what.into(), TEXT_LIMIT),
        }
    }

    /// Takes a secret out of whatever the server has repeated of it.
    #[must_use]
    pub(crate) fn without(self, secret: &str) -> Self {
        match self {
            Self::Sql {
                doing,
                code,
                message,
            } if !secret.is_empty() => Self::Sql {
                doing,
                code,
                message: message.replace(secret, "(hidden)"),
            },
            other => other,
        }
    }
}

/// The first `limit` bytes of a text, at a character's border.
pub(crate) fn cut(text: &str, limit: usize) -> String {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
