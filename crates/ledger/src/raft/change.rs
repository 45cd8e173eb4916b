//! What one call of reconcile did.

use std::fmt;

/// What one call of [`Raft::reconcile`](crate::Raft::reconcile) did: at most one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Members are as wanted, or as near as the rules allow.
    Nothing,
    /// This node does not lead; the leader does it.
    NotLeader,
    /// A step is wanted, but not possible yet; the sentence says why.
    Waiting(String),
    /// A node now listens.
    Added(u64),
    /// A node is gone, or its store was replaced and it must join anew.
    Removed(u64),
    /// A node's name, address or kind was corrected.
    Updated(u64),
    /// These nodes vote now.
    Voters(Vec<u64>),
    /// The lead was handed to this node.
    HandedOver(u64),
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => write!(f, "ledger members are as wanted"),
            Self::NotLeader => write!(f, "another node leads the ledger"),
            Self::Waiting(why) => write!(f, "ledger members wait: {why}"),
            Self::Added(id) => write!(f, "node {id} now listens to the ledger"),
            Self::Removed(id) => write!(f, "node {id} no longer takes part in the ledger"),
            Self::Updated(id) => write!(f, "node {id} has new particulars in the ledger"),
            Self::Voters(ids) => write!(f, "the ledger's voters are now {ids:?}"),
            Self::HandedOver(id) => write!(f, "the lead of the ledger was handed to node {id}"),
        }
    }
}
