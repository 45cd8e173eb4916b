//! The gateway as a service: binds its addresses, accepts clients, follows the route, drains at shutdown.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime;
use tokio::sync::watch;
use wire::login::Login;

use crate::account::Accounts;
use crate::alike::Alike;
use crate::config::Config;
use crate::crew::{Crew, Lane};
use crate::doors::Doors;
use crate::doorstep::Doorstep;
use crate::error::GatewayError;
use crate::gate::Gate;
use crate::handle::Handle;
use crate::lexicon::Lexicon;
use crate::limits::Limits;
use crate::listen::Inherited;
use crate::metrics::{Counters, Stats};
use crate::outcomes::{Desk, Outcomes};
use crate::pool::Quotas;
use crate::registry::{Entry, Registry};
use crate::route::{Dial, Route};
use crate::tally::{Figures, Names, Tally};
use crate::tls::Tls;

/// How long open transactions may take to end when the gateway ends.
const FAREWELL: Duration = Duration::from_secs(2);

/// What all sessions of a gateway share.
pub(crate) struct Shared {
    pub(crate) desk: Desk,
    pub(crate) config: Config,
    /// What of the configuration can be changed.
    pub(crate) limits: Limits,
    pub(crate) doors: Doors,
    pub(crate) gate: Gate,
    pub(crate) dial: Arc<dyn Dial>,
    pub(crate) accounts: Arc<dyn Accounts>,
    pub(crate) counters: Counters,
    pub(crate) registry: Registry,
    pub(crate) names: Names,
    /// User names, and whole logins, of the clients that are here.
    pub(crate) users: Alike<[u8]>,
    pub(crate) logins: Alike<Login>,
    pub(crate) doorstep: Arc<Doorstep>,
    pub(crate) tls: OnceLock<Tls>,
    pub(crate) lexicon: Arc<Lexicon>,
    pub(crate) lanes: Vec<Lane>,
    /// Connections to servers, by account.
    pub(crate) quotas: Arc<Quotas>,
    /// Where streams through the peers live.
    pub(crate) runtime: runtime::Handle,
    version: RwLock<Arc<str>>,
}

impl Shared {
    pub(crate) fn stats(&self) -> Stats {
        let statements = self.lanes.iter().map(Lane::statements).sum();
        let reads = self.lanes.iter().map(Lane::reads).sum();
        self.counters.stats(
            &self.gate.route(),
            self.quotas.total(),
            (self.gate.open(), statements, reads),
        )
    }

    /// What every account has done.
    pub(crate) fn figures(&self) -> Figures {
        let stats = self.stats();
        let tallies = self.lanes.iter().map(|lane| &lane.tally);
        Figures {
            readers: self.registry.readers(),
            held: stats.held as u64,
            moved: stats.moved,
            ..Figures::of(&self.names, &tallies)
        }
    }

    /// The numbers of a session's thread.
    pub(crate) fn tally(&self, entry: &Entry) -> &Tally {
        &self.lanes[entry.lane].tally
    }

    /// The version clients are told.
    pub(crate) fn version(&self) -> Arc<str> {
        Arc::clone(&self.version.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// A server said its version.
    pub(crate) fn saw_version(&self, version: &[u8]) {
        let Ok(version) = std::str::from_utf8(version) else {
            return;
        };
        if *self.version() != *version {
            *self.version.write().unwrap_or_else(PoisonError::into_inner) = version.into();
        }
    }
}

/// A gateway, bound and not yet serving.
pub struct Gateway {
    shared: Arc<Shared>,
    crew: Crew,
    route: watch::Receiver<Route>,
}

impl Gateway {
    /// Binds all addresses and sockets, so that a taken port is known before anything else starts.
    /// Must be called inside a tokio runtime.
    pub fn new(
        config: Config,
        route: watch::Receiver<Route>,
        dial: Arc<dyn Dial>,
        accounts: Arc<dyn Accounts>,
    ) -> Result<Self, GatewayError> {
        Self::inheriting(Inherited::default(), config, route, dial, accounts)
    }

    /// The same with listening sockets that another process gave: those of the configuration's addresses and sockets
    /// among them are used as they are, with the clients that stand before them; the rest is closed.
    pub fn inheriting(
        inherited: Inherited,
        config: Config,
        route: watch::Receiver<Route>,
        dial: Arc<dyn Dial>,
        accounts: Arc<dyn Accounts>,
    ) -> Result<Self, GatewayError> {
        let doors = Doors::bind(&config, inherited)?;
        let (crew, lanes) = Crew::new(config.threads)?;
        let version = RwLock::new(config.server_version.as_str().into());
        let quotas = Quotas::new(config.pool.per_account);
        let shared = Shared {
            desk: Desk::default(),
            limits: Limits::new(&config),
            doors,
            gate: Gate::new(lanes.len()),
            dial,
            accounts,
            counters: Counters::default(),
            registry: Registry::default(),
            names: Names::default(),
            users: Alike::default(),
            logins: Alike::default(),
            doorstep: Doorstep::new(unidentified_max(&config)),
            config,
            tls: OnceLock::new(),
            lexicon: Arc::default(),
            lanes,
            quotas,
            runtime: runtime::Handle::current(),
            version,
        };
        Ok(Self {
            shared: Arc::new(shared),
            crew,
            route,
        })
    }

    /// Writes that are in flight when their primary is lost are asked for there; without this their outcome is unknown.
    /// Must be called inside a tokio runtime, before [`Gateway::run`].
    #[must_use]
    pub fn asking(self, outcomes: Arc<dyn Outcomes>) -> Self {
        self.shared.desk.open(outcomes);
        self
    }

    /// Clients that come by TCP may have their connections encrypted. Before [`Gateway::run`]; only the first call counts.
    #[must_use]
    pub fn encrypting(self, tls: Tls) -> Self {
        let _ = self.shared.tls.set(tls);
        self
    }

    /// The way to ask it things.
    pub fn handle(&self) -> Handle {
        Handle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// The TCP addresses it listens on (with the ports the kernel chose for port 0).
    pub fn local_addresses(&self) -> Vec<std::net::SocketAddr> {
        self.shared.doors.addresses()
    }

    /// Serves until `shutdown` becomes true (or its sender is gone), then lets open transactions end for a
    /// moment and closes all connections.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let Self {
            shared,
            crew,
            mut route,
        } = self;
        let _closing = Closing(Arc::clone(&shared));
        announce(&shared, &route.borrow_and_update().clone());
        let mut crew = match crew.start(&shared) {
            Ok(crew) => crew,
            Err(error) => return tracing::error!(%error, "cannot start the gateway's threads"),
        };
        let mut follows = true;
        loop {
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => break,
                changed = route.changed(), if follows => {
                    follows = changed.is_ok();
                    announce(&shared, &route.borrow_and_update().clone());
                }
                () = crew.broken() => break,
            }
        }
        shared.doors.close();
        let left = shared.gate.hold(FAREWELL).await;
        if left > 0 {
            tracing::info!(left, "closing connections with open transactions");
        }
        crew.end().await;
    }
}

/// The doors close however the gateway ends.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.doors.close();
    }
}

/// Why half: those who are known must find places, however many are not.
pub(crate) fn unidentified_max(config: &Config) -> usize {
    config.unidentified_max.min(config.max_connections / 2)
}

fn announce(shared: &Shared, route: &Route) {
    if !shared.gate.announce(route) {
        tracing::info!(epoch = route.epoch, "ignored a route of an older epoch");
    }
}
