//! What holds for the clients of one listener: how fresh their reads are, and whether they only read.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::freshness::Freshness;

/// Where a listener is, as the configuration names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Spot {
    /// An address.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// When clients that only read are served by the primary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OnPrimary {
    /// While nobody follows it.
    #[default]
    #[serde(rename = "alone")]
    Alone,
    /// While no replica is near enough.
    #[serde(rename = "needed")]
    Needed,
    /// Never: they wait for a replica.
    #[serde(rename = "never")]
    Never,
}

/// Listeners whose clients only read, each bound to one replica.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ReadOnly {
    /// Addresses.
    pub listen: Vec<SocketAddr>,
    /// Unix sockets.
    pub sockets: Vec<PathBuf>,
    /// A replica that is further behind serves none of them.
    pub lag_max: Duration,
    /// When the primary does.
    pub on_primary: OnPrimary,
}

impl Default for ReadOnly {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            sockets: Vec::new(),
            lag_max: Duration::from_secs(10),
            on_primary: OnPrimary::default(),
        }
    }
}

impl ReadOnly {
    /// True when a client that came in here only reads.
    pub(crate) fn has(&self, spot: &Spot) -> bool {
        match spot {
            Spot::Tcp(address) => self.listen.contains(address),
            Spot::Unix(path) => self.sockets.contains(path),
        }
    }
}

/// How one client is served.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Manner {
    /// It only reads, on a replica.
    pub(crate) reads_only: bool,
    /// How fresh its reads are, where its listener says so.
    pub(crate) freshness: Option<Freshness>,
}
