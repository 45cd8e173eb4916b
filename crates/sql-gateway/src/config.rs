//! What a gateway needs to know besides the route: addresses and limits.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::freshness::Freshness;
use crate::manner::{ReadOnly, Spot};
use crate::network::Network;

/// Settings of one gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// TCP addresses to listen on.
    pub listen: Vec<SocketAddr>,
    /// Those of `listen` where clients must ask for encryption.
    pub require_tls: Vec<SocketAddr>,
    /// Those of `listen` where load balancers connect that announce their clients by the PROXY protocol.
    pub accept_proxy: Vec<SocketAddr>,
    /// Where such load balancers are; nobody else is let in there.
    pub proxy_from: Vec<Network>,
    /// Unix sockets to listen on (mode 0777, as MariaDB's own; the accounts decide who gets in).
    pub sockets: Vec<PathBuf>,
    /// How long a statement or a login may wait for a primary before it gets an error.
    pub hold_max: Duration,
    /// How long a client may take from connecting to having said who it is.
    pub handshake_timeout: Duration,
    /// How long one attempt to dial and log in to the primary may take.
    pub connect_timeout: Duration,
    /// Connections served at the same time; one more gets error 1040.
    pub max_connections: usize,
    /// Connections that have not yet said who they are; beyond it the oldest of them are ended.
    pub unidentified_max: usize,
    /// Threads that serve clients; 0: as many as there are processors, and one where there are only two.
    pub threads: usize,
    /// Connections to servers that outlive their client.
    pub pool: Pool,
    /// Reads go to replicas, too, where the route has some.
    pub split: bool,
    /// They go there whenever they may, not only when the primary is busier.
    pub prefer_replicas: bool,
    /// What reads on replicas see of what was written before.
    pub freshness: Freshness,
    /// The same for clients of some listeners.
    pub freshness_at: Vec<(Spot, Freshness)>,
    /// The same for accounts of their own, by user name, wherever they come in.
    pub freshness_of: BTreeMap<String, Freshness>,
    /// A replica that is further behind the primary gets no reads.
    pub lag_max: Duration,
    /// How long a read waits on a replica for what it must see; then it goes to the primary.
    pub wait_max: Duration,
    /// Listeners for clients that only read.
    pub read_only: ReadOnly,
    /// The version told to clients until a server was seen; afterwards the server's own.
    pub server_version: String,
}

/// When connections to servers are given on, and how many there may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pool {
    /// Whether they are given on at all: to the next client with the same account, address and password.
    pub enabled: bool,
    /// How long one may wait for its next client.
    pub idle_time: Duration,
    /// After how long an idle client does without one until its next statement; 0: never.
    pub idle_clients: Duration,
    /// How many may wait, for each account.
    pub idle_max: usize,
    /// Connections to servers for each account, in use and waiting; 0: no limit. Who comes when all are in use waits.
    pub per_account: usize,
    /// How long such a client waits.
    pub queue_max: Duration,
}

impl Default for Pool {
    fn default() -> Self {
        Self {
            enabled: true,
            idle_time: Duration::from_mins(1),
            idle_clients: Duration::ZERO,
            idle_max: 32,
            per_account: 0,
            queue_max: Duration::from_secs(5),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            require_tls: Vec::new(),
            accept_proxy: Vec::new(),
            proxy_from: Vec::new(),
            sockets: Vec::new(),
            hold_max: Duration::from_secs(15),
            handshake_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            max_connections: 2000,
            unidentified_max: 500,
            threads: 0,
            pool: Pool::default(),
            split: false,
            prefer_replicas: false,
            freshness: Freshness::default(),
            freshness_at: Vec::new(),
            freshness_of: BTreeMap::new(),
            lag_max: Duration::from_millis(500),
            wait_max: Duration::from_millis(100),
            read_only: ReadOnly::default(),
            server_version: "5.5.5-10.11.19-MariaDB".to_owned(),
        }
    }
}
