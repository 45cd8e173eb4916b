//! The limits and the rules of addresses that can be changed while the gateway serves.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use crate::config::Config;
use crate::freshness::Freshness;
use crate::manner::{Manner, ReadOnly, Spot};
use crate::network::Network;

/// What holds at some addresses and for some accounts: see the fields of the same names of [`Config`].
#[derive(Debug, Default)]
pub(crate) struct Rules {
    pub(crate) require_tls: Vec<SocketAddr>,
    pub(crate) accept_proxy: Vec<SocketAddr>,
    pub(crate) proxy_from: Vec<Network>,
    pub(crate) freshness: Freshness,
    pub(crate) freshness_at: Vec<(Spot, Freshness)>,
    pub(crate) freshness_of: BTreeMap<String, Freshness>,
    pub(crate) read_only: ReadOnly,
}

impl Rules {
    /// How clients of this listener are served.
    pub(crate) fn manner(&self, spot: &Spot) -> Manner {
        let mut known = self.freshness_at.iter();
        let freshness = known.find(|(at, _)| at == spot);
        Manner {
            reads_only: self.read_only.has(spot),
            freshness: freshness.map(|(_, freshness)| *freshness),
        }
    }

    /// How fresh reads of this user are, who came in so.
    pub(crate) fn freshness(&self, user: &str, manner: Manner) -> Freshness {
        let own = self.freshness_of.get(user).copied();
        own.or(manner.freshness).unwrap_or(self.freshness)
    }
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
            freshness: config.freshness,
            freshness_at: config.freshness_at.clone(),
            freshness_of: config.freshness_of.clone(),
            read_only: config.read_only.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn freshness_when_an_account_has_its_own_then_that_else_its_listeners_else_the_common_one() {
        let spot = Spot::Unix("/x.sock".into());
        let rules = Rules {
            freshness_at: vec![(spot.clone(), Freshness::Connection)],
            freshness_of: [("bob".to_owned(), Freshness::Nothing)].into(),
            ..Rules::default()
        };
        let (here, elsewhere) = (rules.manner(&spot), rules.manner(&Spot::Unix("/y".into())));
        assert!(!here.reads_only);
        for (user, manner, wanted) in [
            ("bob", here, Freshness::Nothing),
            ("bob", elsewhere, Freshness::Nothing),
            ("eve", here, Freshness::Connection),
            ("eve", elsewhere, Freshness::Site),
        ] {
            assert_eq!(rules.freshness(user, manner), wanted, "{user} {manner:?}");
        }
    }
}
