//! The limits that can be changed while the gateway serves.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::config::Config;

/// As the configuration says now. What else it says holds for the gateway's whole life.
pub(crate) struct Limits {
    hold_max_us: AtomicU64,
    max_connections: AtomicUsize,
}

impl Limits {
    pub(crate) fn new(config: &Config) -> Self {
        let limits = Self {
            hold_max_us: AtomicU64::new(0),
            max_connections: AtomicUsize::new(0),
        };
        limits.set(config);
        limits
    }

    /// From now on; a statement that waits already keeps its deadline.
    pub(crate) fn set(&self, config: &Config) {
        let micros = u64::try_from(config.hold_max.as_micros()).unwrap_or(u64::MAX);
        self.hold_max_us.store(micros, Ordering::Relaxed);
        self.max_connections
            .store(config.max_connections, Ordering::Relaxed);
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
