//! One MariaDB server, as its node's agent sees it.

use serde::{Deserialize, Serialize};
use wire::gtid::Position;

use crate::{Epoch, NodeName};

/// What the agent knows of its server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Server {
    /// This node has none: a witness, or the agent has not looked yet.
    Unseen,
    /// There is no usable data directory: it must be cloned.
    NoData,
    /// Not running.
    Stopped,
    /// The agent is at work on it (starting, stopping, cloning, saving a tail): nothing else is asked.
    Busy(String),
    /// Its process runs.
    Running(Box<Running>),
}

/// A running server.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Running {
    /// How it does.
    pub health: Health,
    /// Refuses writes of applications.
    pub read_only: bool,
    /// Waits for acknowledgements (semi-sync on the primary's side).
    pub semi_sync: bool,
    /// Commits wait for an acknowledgement, and none has come for this long.
    pub waiting_ms: u64,
    /// End of its own binlog.
    pub written: Position,
    /// What it has applied.
    pub applied: Position,
    /// What it has received and perhaps not applied yet.
    pub received: Position,
    /// The receiving thread.
    pub receiving: Receiving,
    /// The applying threads.
    pub applying: Applying,
    /// Where it replicates from; `None`: the agent has not set that since it woke.
    pub source: Option<Source>,
    /// It has the settings of a replica, whoever made them.
    pub replica_settings: bool,
    /// A relay log from before its last start holds what is not applied: apply it before anything.
    pub salvage: bool,
    /// Nothing has come from the source for this long.
    pub silent_ms: u64,
    /// How far its data is behind the primary's, if it can tell.
    pub lag_ms: Option<u64>,
    /// A statement that changes a table's structure has been running for a while.
    pub long_ddl: bool,
}

/// How a running server does. Waiting for an acknowledgement is not ill health.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// Answers and can write.
    Ok,
    /// Runs and does not answer.
    Hung,
    /// Answers and its disk does not.
    DiskHung,
    /// Has no room to write.
    DiskFull,
    /// Its disk refuses writes.
    DiskReadOnly,
    /// Every connection is taken.
    OutOfConnections,
}

/// The receiving thread of a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Receiving {
    /// Not running.
    Stopped,
    /// Trying to reach its source.
    Connecting,
    /// Connected.
    Streaming,
    /// The source refused: it no longer has, or never had, what this replica asks for (error 1236).
    Refused,
}

/// The applying threads of a replica.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Applying {
    /// Not running.
    Stopped,
    /// Running.
    Running,
    /// Stopped by an error.
    Failed(String),
}

/// Whether a replica's acknowledgements count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// They do not.
    Async,
    /// They do.
    Sync,
}

/// Whom a replica receives from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Source {
    /// The primary.
    pub node: NodeName,
    /// In which epoch.
    pub epoch: Epoch,
    /// How.
    pub mode: Mode,
}

impl Running {
    /// A server that runs and has told nothing yet.
    pub fn unknown() -> Self {
        Self {
            health: Health::Hung,
            read_only: true,
            semi_sync: false,
            waiting_ms: 0,
            written: Position::empty(),
            applied: Position::empty(),
            received: Position::empty(),
            receiving: Receiving::Stopped,
            applying: Applying::Stopped,
            source: None,
            replica_settings: false,
            salvage: false,
            silent_ms: u64::MAX,
            lag_ms: None,
            long_ddl: false,
        }
    }

    /// Everything this server holds, applied or not.
    pub fn holds(&self) -> Position {
        self.received.joined(&self.applied).joined(&self.written)
    }

    /// True when nothing that was received waits to be applied.
    pub fn is_drained(&self) -> bool {
        !self.salvage && self.applied.covers(&self.received)
    }
}

impl Server {
    /// What a server is `Busy` with while its process is being ended.
    pub const ENDING: &str = "ending";

    /// The running server, if it runs.
    pub fn running(&self) -> Option<&Running> {
        match self {
            Self::Running(running) => Some(running),
            _ => None,
        }
    }
}

impl Health {
    /// True when writes can be expected to go on.
    pub fn is_ok(&self) -> bool {
        matches!(self, Self::Ok | Self::OutOfConnections)
    }
}
