//! `mainstay run`: from the configuration to services, supervised, and drained at the end. The only
//! place that knows every service; none of them knows another.
//!
//! ```text
//!   config ─▶ Node (identity, network, ledger, MariaDB) ─▶ keeper ─▶ picture ─┬▶ route ─▶ gateway
//!   peers ─▶ reception ─▶ keeper | ledger | tunnels | SQL | clone | join      ├▶ gate, directory, voters
//!   verbs ─▶ control socket ─▶ keeper                                         └▶ systemd
//! ```

mod accounts;
mod admit;
mod answer;
mod dial;
mod directory;
mod gate;
mod gateway;
mod keeping;
mod lock;
mod log;
mod node;
mod notify;
mod outcomes;
mod papers;
mod reception;
mod refusal;
mod route;
mod supervisor;
mod transport;
mod voters;

use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

pub(crate) use log::start as start_log;

use crate::config::Config;
use crate::control;
use crate::output::{Failure, Result};
use answer::Answerer;
use lock::Lock;
use node::Node;
use papers::Papers;
use reception::Reception;
use supervisor::Supervisor;

/// A gateway lets statements in flight end; nobody waits longer for it.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// The other services have nothing to finish.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Runs the agent until SIGTERM or Ctrl-C. MariaDB goes on without it.
pub(crate) async fn run(config: Config) -> Result {
    let signals = Signals::new()?;
    let papers = Papers::read(&config)?;
    let lock = Lock::take(config.data_dir())?;
    let node = Arc::new(Node::open(config, papers).await?);
    tracing::info!(
        node = %node.config.name,
        cluster = node.identity.cluster_name(),
        version = env!("CARGO_PKG_VERSION"),
        "agent starts"
    );
    let address = node.config.peer_address();
    let reception = Arc::new(Reception::new(Arc::clone(&node)));
    let listening = node.endpoint.listen(address, reception).await;
    let listener = listening.map_err(Failure::doing(format!("open the peer port {address}")))?;
    let control = control::Server::open(&node.config.control_socket())
        .map_err(Failure::doing("open the control socket"))?;
    let (stop, stopped) = watch::channel(false);
    let (stop_gateway, gateway_stopped) = watch::channel(false);
    let services = start_services(&node, control, &stopped);
    let gateway = start_gateway(&node, &gateway_stopped, &stopped);
    notify::ready();
    signals.wait().await;
    notify::stopping();
    tracing::info!("agent ends: first its gateway, then the rest; MariaDB goes on");
    stop_gateway.send_replace(true);
    gateway.join(DRAIN_LIMIT).await;
    stop.send_replace(true);
    services.join(STOP_LIMIT).await;
    drop(listener);
    node.raft.stop().await;
    drop(lock);
    Ok(())
}

fn start_services(
    node: &Arc<Node>,
    control: control::Server,
    stopped: &watch::Receiver<bool>,
) -> Supervisor {
    let mut services = Supervisor::new(stopped.clone());
    let of = Arc::clone(node);
    services.keep("keeper", move |stop| keeping::run(Arc::clone(&of), stop));
    let of = Arc::clone(node);
    services.keep("ledger members", move |stop| {
        voters::run(Arc::clone(&of), stop)
    });
    let of = Arc::clone(node);
    services.keep("directory", move |stop| {
        directory::run(Arc::clone(&of), stop)
    });
    let of = Arc::clone(node);
    services.keep("watchdog", move |stop| notify::run(Arc::clone(&of), stop));
    let answerer = Arc::new(Answerer::new(Arc::clone(node)));
    services.once("control socket", control.run(answerer, stopped.clone()));
    services
}

/// The gateway stops first, what it stands on later.
fn start_gateway(
    node: &Arc<Node>,
    gateway_stopped: &watch::Receiver<bool>,
    stopped: &watch::Receiver<bool>,
) -> Supervisor {
    let mut services = Supervisor::new(gateway_stopped.clone());
    if !node.config.has_gateway() {
        return services;
    }
    let (routes, accounts) = (
        route::follow(node, stopped),
        accounts::Table::start(node, stopped),
    );
    let of = Arc::clone(node);
    services.keep("gateway", move |stop| {
        gateway::run(Arc::clone(&of), routes.clone(), Arc::clone(&accounts), stop)
    });
    let of = Arc::clone(node);
    services.keep("gate", move |stop| gate::run(Arc::clone(&of), stop));
    services
}

/// The signals that end the agent.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    /// From here on they do not end the process by themselves.
    fn new() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(Failure::doing("listen for signals"));
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn wait(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
