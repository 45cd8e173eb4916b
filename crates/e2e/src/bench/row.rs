//! The rows of the table: what is measured, what is asked of it, and what others publish.
//! Sources of the others' figures are their makers' pages, named in `docs/reference/failover-figures.md`.

/// One row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    /// No fault at all: the longest pause that this machine makes by itself.
    Nothing,
    /// The primary's server process is killed.
    ServerKilled,
    /// Every process of the primary's node is killed.
    NodeKilled,
    /// The primary's cable is pulled.
    CablePulled,
    /// The primary's server is frozen.
    ServerFrozen,
    /// The primary's node is frozen.
    NodeFrozen,
    /// The primary's disk hangs.
    DiskHung,
    /// The primary is moved as planned.
    Switchover,
    /// A replica's server is killed.
    ReplicaKilled,
    /// A replica's node is gone without a word.
    ReplicaLost,
    /// A replica comes back into the set.
    ReplicaBack,
    /// The former primary comes back 10 MB behind: the time until it is in sync.
    PrimaryBack,
}

/// What was asked: the median and the worst of twenty, in milliseconds.
pub(crate) struct Asked {
    pub(crate) median_ms: u64,
    pub(crate) worst_ms: u64,
}

const LOSING_THE_PRIMARY: &str = "Galera 5-15 s, orchestrator 10-13 s, Aurora 30 s, Patroni 30 s, \
     RDS cluster < 35 s, mysync 45-60 s, RDS Multi-AZ 60-120 s";
const PLANNED: &str = "RDS Proxy 1 s, Blue/Green < 5 s, MOCO several seconds";

impl Row {
    /// In the order of the table.
    pub const ALL: [Self; 12] = [
        Self::Nothing,
        Self::ServerKilled,
        Self::NodeKilled,
        Self::CablePulled,
        Self::ServerFrozen,
        Self::NodeFrozen,
        Self::DiskHung,
        Self::Switchover,
        Self::ReplicaKilled,
        Self::ReplicaLost,
        Self::ReplicaBack,
        Self::PrimaryBack,
    ];

    /// For command lines and files.
    pub fn key(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::ServerKilled => "server-killed",
            Self::NodeKilled => "node-killed",
            Self::CablePulled => "cable-pulled",
            Self::ServerFrozen => "server-frozen",
            Self::NodeFrozen => "node-frozen",
            Self::DiskHung => "disk-hung",
            Self::Switchover => "switchover",
            Self::ReplicaKilled => "replica-killed",
            Self::ReplicaLost => "replica-lost",
            Self::ReplicaBack => "replica-back",
            Self::PrimaryBack => "primary-back",
        }
    }

    /// All keys, for a message.
    pub(super) fn keys() -> String {
        Self::ALL.map(Self::key).join(", ")
    }

    /// For people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Nothing => "nothing done (what the machine does by itself)",
            Self::ServerKilled => "server process killed",
            Self::NodeKilled => "whole node killed",
            Self::CablePulled => "cable pulled",
            Self::ServerFrozen => "server frozen",
            Self::NodeFrozen => "node frozen",
            Self::DiskHung => "disk hung",
            Self::Switchover => "planned switchover",
            Self::ReplicaKilled => "replica's server killed",
            Self::ReplicaLost => "replica's node lost, primary goes on alone",
            Self::ReplicaBack => "replica comes back into the set",
            Self::PrimaryBack => "old primary back in sync, 10 MB behind (a time, not a gap)",
        }
    }

    /// What is asked of it, if anything.
    pub(crate) fn asked(self) -> Option<Asked> {
        let (median_ms, worst_ms) = match self {
            Self::Nothing => return None,
            Self::ServerKilled => (400, 1_000),
            Self::NodeKilled | Self::CablePulled => (2_000, 3_000),
            Self::ServerFrozen | Self::NodeFrozen | Self::DiskHung => (3_000, 5_000),
            Self::Switchover => (150, 500),
            Self::ReplicaKilled => (300, 1_000),
            Self::ReplicaLost => (1_500, 2_500),
            Self::ReplicaBack => (100, 200),
            Self::PrimaryBack => (15_000, 15_000),
        };
        Some(Asked {
            median_ms,
            worst_ms,
        })
    }

    /// What others publish of the same.
    pub(crate) fn published(self) -> &'static str {
        match self {
            Self::ServerKilled
            | Self::NodeKilled
            | Self::CablePulled
            | Self::ServerFrozen
            | Self::NodeFrozen
            | Self::DiskHung => LOSING_THE_PRIMARY,
            Self::Switchover => PLANNED,
            _ => "-",
        }
    }

    /// No client may meet an error meanwhile.
    pub(crate) fn forbids_errors(self) -> bool {
        matches!(self, Self::Nothing | Self::Switchover)
    }
}
