//! The gateway as a service: binds its addresses, accepts clients, follows the route, drains at shutdown.

use std::sync::Arc;

use tokio::sync::watch;

use crate::account::Accounts;
use crate::config::Config;
use crate::error::GatewayError;
use crate::handle::Handle;
use crate::metrics::Stats;
use crate::route::{Dial, Route};

/// What all sessions of a gateway share.
pub(crate) struct Shared {}

impl Shared {
    pub(crate) fn stats(&self) -> Stats {
        let _ = self;
        Stats::default()
    }
}

/// A gateway, bound and not yet serving.
pub struct Gateway {
    shared: Arc<Shared>,
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
        let _ = (config, route, dial, accounts);
        Ok(Self {
            shared: Arc::new(Shared {}),
        })
    }

    /// The way to ask it things.
    pub fn handle(&self) -> Handle {
        Handle {
            shared: Arc::clone(&self.shared),
        }
    }

    /// The TCP addresses it listens on (with the ports the kernel chose for port 0).
    pub fn local_addresses(&self) -> Vec<std::net::SocketAddr> {
        Vec::new()
    }

    /// Serves until `shutdown` becomes true (or its sender is gone), then lets statements in flight end
    /// for a moment and closes all connections.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        let _ = shutdown.wait_for(|stop| *stop).await;
    }
}
