//! Who takes part in the ledger.

/// Who this node is: a store opened under one identity is refused under any other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The cluster's unchanging id; calls from another cluster are refused.
    pub cluster: String,
    /// This node's number in the cluster, never used again for another node.
    pub node: u64,
}

/// A node that takes part in the ledger, as the cluster's membership wants it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Voter {
    /// The node's name, for people.
    pub name: String,
    /// Where the transport reaches it.
    pub address: String,
    /// Whether it is a witness: preferred as voter and as leader.
    pub witness: bool,
    /// Whether its agent is known to run now: nobody becomes a voter or is handed the lead
    /// otherwise. A voter that stops running stays a voter.
    pub running: bool,
}
