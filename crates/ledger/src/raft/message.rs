//! What nodes say to each other about the ledger, as data. `serve.rs` answers, `caller.rs` asks.

use serde::{Deserialize, Serialize};

use super::format;
use super::types::{
    AppendRequest, AppendResponse, LogId, Proposal, SnapshotMeta, Verdict, Vote, VoteRequest,
    VoteResponse,
};
use crate::Record;

/// A call with who sends it and for whom it is.
#[derive(Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) cluster: String,
    /// Which founding of the ledger the caller takes part in, if any; see `forced.rs`.
    pub(crate) founding: Option<u64>,
    pub(crate) from: u64,
    pub(crate) to: u64,
    /// The store the caller believes the other side to have; checked where promises count.
    pub(crate) store: Option<u64>,
    pub(crate) call: Call,
}

/// A question.
#[derive(Serialize, Deserialize)]
pub(crate) enum Call {
    /// Which store do you have?
    Hello,
    /// The leader is alive.
    Ping(Ping),
    /// Would you vote for me?
    Sound { last_log: Option<LogId> },
    /// Stand for election now; the leader, whose log ends at `last_log`, will give way.
    TakeOver { vote: Vote, last_log: Option<LogId> },
    /// Raft: append.
    Append(AppendRequest),
    /// Raft: vote. `handover` is set when the leader itself asked for this election.
    Vote {
        request: VoteRequest,
        handover: bool,
    },
    /// Raft: the whole state.
    Snapshot {
        vote: Vote,
        meta: SnapshotMeta,
        data: String,
    },
    /// Linearizable read; `relay` asks a node that does not lead to ask the leader.
    Read { limit_ms: u64, relay: bool },
    /// Compare-and-swap; `relay` as above.
    Swap {
        proposal: Proposal,
        limit_ms: u64,
        relay: bool,
    },
}

/// The leader's sign of life and what it alone can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ping {
    pub(crate) vote: Vote,
    pub(crate) reachable: bool,
    pub(crate) has_spare: bool,
}

/// What a pinged node knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pong {
    pub(crate) vote: Vote,
    pub(crate) last_index: Option<u64>,
    pub(crate) applied: Option<u64>,
}

/// An answer.
#[derive(Serialize, Deserialize)]
pub(crate) enum Answer {
    /// To `Hello`.
    Store(u64),
    /// To `Ping`.
    Pong(Pong),
    /// To `Sound`.
    WouldVote(bool),
    /// To `TakeOver`.
    Standing,
    /// To `Append`.
    Appended(AppendResponse),
    /// To `Vote`.
    Voted(VoteResponse),
    /// To `Snapshot`: the vote of the other side.
    Installed(Vote),
    /// To `Read`.
    Current(#[serde(with = "format::optional_record")] Option<Record>),
    /// To `Swap`.
    Decided(Verdict),
    /// To `Swap`: it may or may not happen.
    Unknown(String),
    /// Nothing was done.
    Refused(Refusal),
}

/// Why nothing was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Refusal {
    /// The bytes or what they say are not acceptable.
    Garbage(String),
    /// This node takes part in another founding of the ledger.
    OtherFounding,
    /// This node has another store than the caller believes.
    OtherStore(u64),
    /// This node's store is slow or broken.
    Store(String),
    /// This node does not lead, or cannot do it now.
    NotNow(String),
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::OtherStore(id) => write!(f, "the node has another store ({id:016x})"),
            Self::OtherFounding => write!(
                f,
                "the node holds a ledger that was founded apart from this one, empty its store first"
            ),
            Self::Garbage(why) | Self::Store(why) | Self::NotNow(why) => write!(f, "{why}"),
        }
    }
}
