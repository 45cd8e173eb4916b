//! How well this node reaches the register: for status, alarms and `doctor`; never for a decision
//! about data, which only a read or a swap may found.

/// How this node reaches the register.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Which backend: `raft`, later `bucket` or `etcd`.
    pub kind: &'static str,
    /// A quorum was confirmed within the last second or so, from here or through the leader.
    pub reachable: bool,
    /// Losing one more voter would still leave a majority. Only the leader sees it, followers
    /// repeat what the leader told them with its last heartbeats.
    pub has_spare: bool,
    /// Name of the current leader as known here, if any.
    pub leader: Option<String>,
    /// Names of those who vote, in the order of their ids.
    pub voters: Vec<String>,
    /// Names of those who only listen, in the order of their ids.
    pub learners: Vec<String>,
    /// Why it is not reachable or not safe, in a sentence, when the backend knows.
    pub trouble: Option<String>,
}
