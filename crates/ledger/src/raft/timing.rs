//! How often and how long: the ledger's clocks. No safety rests on any of them.

use std::time::Duration;

/// The ledger's timing; the same on every node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How often the leader tells the others that it is alive.
    pub heartbeat: Duration,
    /// How long a silent leader is still taken for alive; no vote is given against it before.
    pub lease: Duration,
    /// How long one call to another node may take, connecting included; shorter than `lease`.
    pub call: Duration,
    /// A node waits, after the lease, a random time of up to this before it stands for election; a
    /// witness waits a quarter of it at most, a data node at least half.
    pub spread: Duration,
    /// A store that owes a flush for longer than this makes the node stop leading and voting.
    pub stall: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(150),
            lease: Duration::from_millis(500),
            call: Duration::from_millis(400),
            spread: Duration::from_millis(400),
            stall: Duration::from_secs(1),
        }
    }
}
