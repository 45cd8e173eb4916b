//! Version 1 of `status --json`. Fields may be added; what stands here keeps its name and meaning.

use serde::{Deserialize, Serialize};

use crate::output::Exit;

/// The cluster as one node sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// Of this document: 1.
    pub(crate) version: u32,
    /// The cluster's name.
    pub(crate) cluster: String,
    /// Grows with each new primary.
    pub(crate) epoch: u64,
    /// The node that takes writes now, if any.
    pub(crate) primary: Option<String>,
    /// The replicas without one of which nothing is acknowledged.
    pub(crate) in_sync: Vec<String>,
    /// Any one server can be lost now: writes go on by themselves, nothing acknowledged is lost.
    pub(crate) protected: bool,
    /// Automatic changes of primary are suspended.
    pub(crate) paused: bool,
    /// The register that decides.
    pub(crate) ledger: Ledger,
    /// Every node.
    pub(crate) nodes: Vec<Node>,
    /// The last change of primary.
    pub(crate) last_change: Option<Change>,
    /// Which node says all this.
    pub(crate) asked: String,
    /// What that node is doing, as a sentence.
    pub(crate) reason: String,
    /// Why it is not protected; empty when it is.
    pub(crate) concerns: Vec<String>,
    /// What people should see to on the nodes, whatever the protection.
    #[serde(default)]
    pub(crate) warnings: Vec<String>,
    /// What the gateway of the asked node has done since it started; null: it has none.
    #[serde(default)]
    pub(crate) gateway: Option<sql_gateway::Figures>,
}

/// The ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ledger {
    /// `raft`.
    pub(crate) kind: String,
    /// Those who vote.
    pub(crate) members: Vec<String>,
    /// A quorum answers.
    pub(crate) reachable: bool,
    /// Who leads it, as far as known.
    pub(crate) leader: Option<String>,
}

/// One node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    /// Its name.
    pub(crate) name: String,
    /// Its address, without the port.
    pub(crate) address: String,
    /// What it is.
    pub(crate) role: String,
    /// What it is becoming.
    pub(crate) becoming: Option<String>,
    /// `ok`, or what is wrong.
    pub(crate) health: String,
    /// It votes and holds no data.
    pub(crate) witness: bool,
    /// How old this is; null: never heard since the asked agent started.
    pub(crate) seen_ms_ago: Option<u64>,
    /// Its MariaDB.
    pub(crate) database: Option<Database>,
    /// What its agent is doing, as a sentence.
    pub(crate) reason: Option<String>,
    /// What last failed there and has not worked since.
    pub(crate) trouble: Option<String>,
    /// A copy of another node's data on its way.
    pub(crate) clone: Option<keeper::CloneProgress>,
    /// What a replica has received and must still apply, when it is behind or about to take over.
    #[serde(default)]
    pub(crate) drain: Option<keeper::Drain>,
}

/// A MariaDB server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Database {
    /// As it calls itself.
    pub(crate) version: Option<String>,
    /// Its process.
    pub(crate) pid: Option<u32>,
    /// Its administrator's socket.
    pub(crate) socket: Option<String>,
    /// It refuses writes of applications.
    pub(crate) read_only: bool,
    /// Everything it holds.
    pub(crate) gtid: String,
    /// How far its data is behind the primary's.
    pub(crate) lag_ms: Option<u64>,
}

/// A change of primary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Change {
    /// `failover`, `switchover` or `forced`.
    pub(crate) kind: String,
    /// Who was primary.
    pub(crate) from: String,
    /// Who is since.
    pub(crate) to: String,
    /// When, RFC 3339.
    pub(crate) at: String,
    /// How long writes stood still, if it was measured.
    pub(crate) write_pause_ms: Option<u64>,
    /// Why, as a sentence.
    pub(crate) reason: String,
}

impl Status {
    /// The exit code of `status`.
    pub(crate) fn exit(&self) -> Exit {
        match (&self.primary, self.protected) {
            (None, _) => Exit::NoPrimary,
            (Some(_), false) => Exit::Unprotected,
            (Some(_), true) => Exit::Done,
        }
    }
}
