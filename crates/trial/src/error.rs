//! What can go wrong while a cluster is on trial. A verdict against the cluster is not an
//! error: it is the result. These are the cases in which no verdict can be given.

use std::{io, path::PathBuf, time::Duration};

/// Why the trial could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file, directory or device refused what was asked of it.
    #[error("cannot {doing} `{}`: {source}", path.display())]
    File {
        /// A bare verb: "create", "read".
        doing: &'static str,
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A path that a Unix socket must live at is too long for the kernel.
    #[error("`{}` is too long for a socket (108 bytes): use a shorter directory", .0.display())]
    LongPath(PathBuf),
    /// A program could not be started.
    #[error("cannot run `{command}`: {source}")]
    NotRun {
        /// The program and its verb, never its input.
        command: String,
        /// What the system said.
        source: io::Error,
    },
    /// A program ended with something else than success.
    #[error("`{command}` ended with {code}: {said}")]
    Refused {
        /// The program and its verb.
        command: String,
        /// Its exit code, or "a signal".
        code: String,
        /// The end of what it wrote to its standard error.
        said: String,
    },
    /// A program did not end in time.
    #[error("`{command}` gave no answer within {limit:?}")]
    Silent {
        /// The program and its verb.
        command: String,
        /// How long it was given.
        limit: Duration,
    },
    /// A condition did not become true in time.
    #[error("waited {limit:?} in vain until {what}; last seen: {seen}")]
    Waited {
        /// The condition.
        what: String,
        /// How long it was given.
        limit: Duration,
        /// The last thing known.
        seen: String,
    },
    /// What the program printed is not what the contract says.
    #[error("`{node}` printed a status that cannot be read: {source}")]
    Status {
        /// Whose status.
        node: String,
        /// Where it stopped making sense.
        source: serde_json::Error,
    },
    /// No such node in this cluster.
    #[error("there is no node `{0}` in this cluster")]
    NoNode(String),
    /// The fault works on cables, and loopback has none.
    #[error("loopback has no cable to pull: this needs network namespaces")]
    NoCable,
    /// The fault works on a disk of the node's own.
    #[error("`{0}` has no disk of its own to break")]
    NoDisk(String),
    /// The process that the fault is for is not there.
    #[error("`{node}` has no running {what}")]
    NotRunning {
        /// Whose.
        node: String,
        /// "agent", "database server".
        what: &'static str,
    },
    /// A signal was sent and the process is still there.
    #[error("`{node}` still has processes {pids:?} after {limit:?}")]
    StillRunning {
        /// Whose.
        node: String,
        /// Which.
        pids: Vec<i32>,
        /// How long they were given.
        limit: Duration,
    },
    /// A database server did not do what it was asked directly.
    #[error("the database of `{node}` failed to {doing}: {source}")]
    Database {
        /// Whose.
        node: String,
        /// A bare verb.
        doing: &'static str,
        /// What the driver said.
        source: mysql_async::Error,
    },
    /// A writer or reader of the load ended by a bug of its own.
    #[error("the load on `{0}` broke down: its history is incomplete")]
    LoadBroke(String),
}

impl Error {
    /// Wraps a file error.
    pub(crate) fn file(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl Fn(io::Error) -> Self {
        let path = path.into();
        move |source| Self::File {
            doing,
            path: path.clone(),
            source,
        }
    }

    /// Wraps a driver error.
    pub(crate) fn database(node: &str, doing: &'static str) -> impl Fn(mysql_async::Error) -> Self {
        let node = node.to_owned();
        move |source| Self::Database {
            node: node.clone(),
            doing,
            source,
        }
    }
}
