//! What clients do, over and over: four of sysbench's scripts, and a connection for each request.

/// A kind of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Workload {
    /// One row by its key, the statement as text.
    PointText,
    /// The same as a prepared statement.
    PointPrepared,
    /// Transactions of 14 reads.
    ReadOnly,
    /// Transactions of 14 reads and 4 writes.
    ReadWrite,
    /// Connect, log in, one row by its key, leave.
    Connect,
    /// The same by PHP, each client a process.
    Php,
}

impl Workload {
    pub(super) const ALL: [Self; 6] = [
        Self::PointText,
        Self::PointPrepared,
        Self::ReadOnly,
        Self::ReadWrite,
        Self::Connect,
        Self::Php,
    ];

    /// Each query has a connection of its own.
    pub(super) fn is_visit(self) -> bool {
        matches!(self, Self::Connect | Self::Php)
    }

    pub(super) fn key(self) -> &'static str {
        match self {
            Self::PointText => "point-text",
            Self::PointPrepared => "point-prepared",
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
            Self::Connect => "connect",
            Self::Php => "php",
        }
    }

    pub(super) fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|workload| workload.key() == key)
    }

    /// sysbench's script, and whether it prepares its statements; none when it has none.
    pub(super) fn script(self) -> Option<(&'static str, bool)> {
        match self {
            Self::PointText => Some(("oltp_point_select", false)),
            Self::PointPrepared => Some(("oltp_point_select", true)),
            Self::ReadOnly => Some(("oltp_read_only", true)),
            Self::ReadWrite => Some(("oltp_read_write", true)),
            Self::Connect | Self::Php => None,
        }
    }
}
