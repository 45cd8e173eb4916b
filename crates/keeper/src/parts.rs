//! What a keeper works with; made by the agent, the only place that knows every service.

use std::path::PathBuf;
use std::sync::Arc;

use cluster::{NodeName, Timing};

/// The parts of one node.
pub struct Parts {
    /// This node.
    pub me: NodeName,
    /// The cluster's name, for people.
    pub cluster: String,
    /// DATA_DIR: the state file and saved tails are kept here.
    pub state_dir: PathBuf,
    /// Its MariaDB; none on a witness.
    pub server: Option<mariadb::Server>,
    /// The ledger.
    pub register: Arc<dyn ledger::Register>,
    /// The network.
    pub endpoint: Arc<peer::Endpoint>,
    /// The replica's end of replication; none on a witness.
    pub upstream: Option<Arc<peer::tunnel::Upstream>>,
    /// The primary's allow-list.
    pub admissions: Arc<peer::tunnel::Admissions>,
    /// Waiting times.
    pub timing: Timing,
}
