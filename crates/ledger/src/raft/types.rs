//! What openraft is told about us: ids, members, the one kind of proposal and its verdict. These
//! types are written to disk and sent to other nodes, see `format.rs` for versions.

use std::io::Cursor;

use serde::{Deserialize, Serialize};

use super::format;
use crate::Record;

openraft::declare_raft_types!(
    /// The types this crate runs openraft with.
    pub(crate) Types:
        D = Proposal,
        R = Verdict,
        NodeId = u64,
        Node = Member,
        Entry = openraft::Entry<Types>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = openraft::TokioRuntime,
);

pub(crate) type Core = openraft::Raft<Types>;
pub(crate) type Entry = openraft::Entry<Types>;
pub(crate) type LogId = openraft::LogId<u64>;
pub(crate) type Vote = openraft::Vote<u64>;
pub(crate) type Membership = openraft::Membership<u64, Member>;
pub(crate) type StoredMembership = openraft::StoredMembership<u64, Member>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<u64, Member>;
pub(crate) type StorageError = openraft::StorageError<u64>;
pub(crate) type AppendRequest = openraft::raft::AppendEntriesRequest<Types>;
pub(crate) type AppendResponse = openraft::raft::AppendEntriesResponse<u64>;
pub(crate) type VoteRequest = openraft::raft::VoteRequest<u64>;
pub(crate) type VoteResponse = openraft::raft::VoteResponse<u64>;

/// A node as the ledger's own membership knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) witness: bool,
    /// The store with which it joined. A node with another store has forgotten its promises:
    /// it is sent nothing and may not vote until it has joined anew.
    pub(crate) store: u64,
}

/// A compare-and-swap on its way through the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Proposal {
    pub(crate) expected: Option<u64>,
    #[serde(with = "format::record")]
    pub(crate) record: Record,
}

/// What applying an entry gave.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Verdict {
    /// The entry was no proposal.
    Nothing,
    /// The record is, or was, in the register.
    Won,
    /// The record is not in the register; this one is.
    Lost(#[serde(with = "format::optional_record")] Option<Record>),
    /// The register is past the revision by so much that nobody remembers who won it.
    Forgotten,
}
