//! How often and how long: the ledger's clocks. No safety rests on any of them.

use std::time::Duration;

use openraft::{Config, SnapshotPolicy};

use super::caller::SNAPSHOT_LIMIT;
use crate::{Error, Result};

/// The ledger's timing; the same on every node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How often the leader tells the others that it is alive.
    pub heartbeat: Duration,
    /// How long a silent leader is still taken for alive; nobody votes against it before.
    pub lease: Duration,
    /// How long one call to another node may take, connecting included; shorter than `lease`.
    pub call: Duration,
    /// A node waits, after the lease, a random time of up to this before it stands for election: a
    /// witness up to a quarter of it, a data node from half of it on.
    pub spread: Duration,
    /// A store that owes a flush for longer than this makes the node stop leading and voting.
    pub stall: Duration,
    /// How often a store that nobody writes to is made to flush, to see that it still can.
    pub probe: Duration,
    /// For how long a witness must have answered everything before it is handed the lead, and the
    /// first wait between two such attempts; it doubles from then on, up to an hour.
    pub settle: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            heartbeat: Duration::from_millis(200),
            lease: Duration::from_millis(600),
            call: Duration::from_millis(400),
            spread: Duration::from_millis(400),
            stall: Duration::from_secs(1),
            probe: Duration::from_secs(10),
            settle: Duration::from_secs(10),
        }
    }
}

impl Timing {
    /// Within this time of the last confirmation the register counts as reachable.
    pub(crate) fn recent(&self) -> Duration {
        self.lease * 2
    }

    /// openraft's configuration: its own elections and heartbeats are off (see `pulse.rs`), what
    /// remains of its timers are the limits of its calls.
    ///
    /// Errors: the timing contradicts itself.
    pub(crate) fn config(&self, cluster: &str) -> Result<Config> {
        let call = u64::try_from(self.call.as_millis())
            .unwrap_or(u64::MAX / 4)
            .max(2);
        if self.call < Duration::from_millis(2) || self.lease <= self.call {
            return Err(Error::Timing(
                "`lease` must be longer than `call`, at least 2 ms".into(),
            ));
        }
        if self.heartbeat.is_zero() || self.heartbeat * 2 > self.lease {
            return Err(Error::Timing(
                "`lease` must span at least two heartbeats".into(),
            ));
        }
        let config = Config {
            cluster_name: cluster.into(),
            heartbeat_interval: call - 1,
            election_timeout_min: call,
            election_timeout_max: call + 1,
            install_snapshot_timeout: SNAPSHOT_LIMIT.as_millis() as u64,
            max_payload_entries: 64,
            // Why: the state is small and replaces its past, so a short log is all there is to
            // keep; the log is held in memory as well.
            snapshot_policy: SnapshotPolicy::LogsSinceLast(32),
            max_in_snapshot_log_to_keep: 16,
            replication_lag_threshold: 64,
            purge_batch_size: 1,
            enable_heartbeat: false,
            enable_elect: false,
            ..Config::default()
        };
        config
            .validate()
            .map_err(|error| Error::Timing(error.to_string()))
    }
}
