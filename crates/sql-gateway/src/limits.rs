//! The limits and the rules of addresses that can be changed while the gateway serves.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::config::Config;
use crate::network::Network;

/// What holds at some addresses: see the fields of the same names of [`Config`].
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) require_tls: Vec<SocketAddr>,
    pub(crate) accept_proxy: Vec<SocketAddr>,
    pub(crate) proxy_from: Vec<Network>,
}

/// As the configuration says now. What else it says holds for the gateway's whole life.
pub(crate) struct Limits {
    hold_max_us: AtomicU64,
    max_connections: AtomicUsize,
    rules: RwLock<Arc<Rules>>,
}

impl Limits {
    pub(crate) fn new(config: &Config) -> Self {
        let limits = Self {
            hold_max_us: AtomicU64::new(0),
            max_connections: AtomicUsize::new(0),
            rules: RwLock::default(),
        };
        limits.set(config);
        limits
    }

    /// From now on; a statement that waits already keeps its deadline, and who is let in already stays.
    pub(crate) fn set(&self, config: &Config) {
        let micros = u64::try_from(config.hold_max.as_micros()).unwrap_or(u64::MAX);
        self.hold_max_us.store(micros, Ordering::Relaxed);
        self.max_connections
            .store(config.max_connections, Ordering::Relaxed);
        let rules = Rules {
            require_tls: config.require_tls.clone(),
            accept_proxy: config.accept_proxy.clone(),
            proxy_from: config.proxy_from.clone(),
        };
        *self.rules.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(rules);
    }

    /// What holds at the addresses.
    pub(crate) fn rules(&self) -> Arc<Rules> {
        Arc::clone(&self.rules.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// See [`Config::hold_max`].
    pub(crate) fn hold_max(&self) -> Duration {
        Duration::from_micros(self.hold_max_us.load(Ordering::Relaxed))
    }

    /// See [`Config::max_connections`].
    pub(crate) fn max_connections(&self) -> usize {
        self.max_connections.load(Ordering::Relaxed)
    }
}
