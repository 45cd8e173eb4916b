//! `mainstay run`: from the configuration to services, supervised, and drained at the end. The only
//! place that knows every service; none of them knows another.
//!
//! ```text
//!   config ─▶ Node (identity, network, ledger, MariaDB) ─▶ keeper ─▶ picture ─┬▶ guide ─▶ route, gate ─▶ gateway
//!   peers ─▶ reception ─▶ keeper | ledger | tunnels | SQL | clone | join      ├▶ directory, voters
//!   verbs ─▶ control socket ─▶ keeper, orders                                 └▶ systemd
//! ```

mod accounts;
mod admit;
mod answer;
mod certificate;
mod dial;
mod directory;
mod gate;
mod gateway;
mod guide;
mod handover;
mod keeping;
mod lock;
mod log;
mod names;
mod node;
mod notify;
mod orders;
mod outcomes;
mod pages;
mod papers;
mod reception;
mod refusal;
mod replica;
mod route;
mod supervisor;
mod transport;
mod voters;
mod yielding;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use sql_gateway::Inherited;
use tokio::sync::{mpsc, watch};

pub(crate) use handover::{Seat, Step, launch};
pub(crate) use log::start as start_log;

use crate::config::Config;
use crate::control;
use crate::output::{Failure, Result};
use answer::Answerer;
use handover::Heir;
use lock::Lock;
use node::Node;
use orders::{Order, Orders, Turn};
use papers::Papers;
use reception::Reception;
use supervisor::Supervisor;

/// Threads for files and name look-ups, and no more of them.
pub(crate) const BLOCKING_THREADS: usize = 8;
/// A gateway lets statements in flight end; nobody waits longer for it.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// The other services have nothing to finish.
const STOP_LIMIT: Duration = Duration::from_secs(5);
/// An heir's gateway is there in this time, or it is no heir.
const GATEWAY_LIMIT: Duration = Duration::from_secs(20);

/// Runs the agent until SIGTERM or Ctrl-C, or until another process has taken over. MariaDB goes on without it.
pub(crate) async fn run(config: Config, path: &Path, seat: Option<Seat>) -> Result {
    let (mut orders, sender) = Orders::new()?;
    let started = Agent::start(config, seat.as_ref(), sender).await;
    if let (Err(failure), Some(seat)) = (&started, &seat) {
        seat.failed(failure);
    }
    let agent = started?;
    notify::ready();
    if let Some(seat) = seat {
        seat.serving();
    }
    match orders.wait(&agent.node, path).await {
        Turn::End => {
            agent.end().await;
            Ok(())
        }
        Turn::Replaced(heir) => agent.give_way(heir, &mut orders).await,
    }
}

/// Services that end together.
struct Group {
    services: Supervisor,
    stop: watch::Sender<bool>,
}

impl Group {
    fn new() -> Self {
        let (stop, stopped) = watch::channel(false);
        let services = Supervisor::new(stopped);
        Self { services, stop }
    }

    /// False when they did not end in time.
    async fn end(self, limit: Duration) -> bool {
        self.stop.send_replace(true);
        self.services.join(limit).await
    }
}

/// Everything that runs.
struct Agent {
    node: Arc<Node>,
    lock: Lock,
    listener: peer::Listener,
    /// What makes this process the agent.
    duties: Group,
    guide: Group,
    gateway: Group,
    /// What the gateway stands on.
    footing: watch::Sender<bool>,
}

impl Agent {
    async fn start(
        config: Config,
        seat: Option<&Seat>,
        orders: mpsc::Sender<Order>,
    ) -> Result<Self> {
        let (papers, lock, inherited) = enter(&config, seat).await?;
        let node = Arc::new(Node::open(config, papers, inherited).await?);
        tracing::info!(
            node = %node.config.name,
            cluster = node.identity.cluster_name(),
            version = env!("CARGO_PKG_VERSION"),
            process = std::process::id(),
            "agent starts"
        );
        let address = node.config.peer_address();
        let reception = Arc::new(Reception::new(Arc::clone(&node)));
        let listening = node.endpoint.listen(address, reception).await;
        let listener =
            listening.map_err(Failure::doing(format!("open the peer port {address}")))?;
        let control = control::Server::open(&node.config.control_socket())
            .map_err(Failure::doing("open the control socket"))?;
        let footing = watch::Sender::new(false);
        let duties = start_services(&node, control, orders);
        let mut guide = Group::new();
        let of = Arc::clone(&node);
        guide
            .services
            .keep("guide", move |stop| guide::run(Arc::clone(&of), stop));
        let gateway = start_gateway(&node, &footing.subscribe());
        let agent = Self {
            node,
            lock,
            listener,
            duties,
            guide,
            gateway,
            footing,
        };
        if seat.is_some() && !agent.has_gateway().await {
            // Why: the sockets with those who wait before them are still the old process' too.
            return Err(Failure::new("the new process' gateway does not start")
                .hint("the agent's log says why"));
        }
        Ok(agent)
    }

    async fn has_gateway(&self) -> bool {
        let there = async {
            while self.node.config.has_gateway() && self.node.gateway.get().is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(GATEWAY_LIMIT, there).await.is_ok()
    }

    async fn end(self) {
        notify::stopping();
        tracing::info!("agent ends: first its gateway, then the rest; MariaDB goes on");
        self.node.guide.send_modify(|guide| guide.ends = true);
        self.gateway.end(DRAIN_LIMIT).await;
        self.duties.end(STOP_LIMIT).await;
        self.guide.end(STOP_LIMIT).await;
        self.footing.send_replace(true);
        drop(self.listener);
        self.node.raft.stop().await;
        drop(self.lock);
    }

    /// Ends everything but connections, gives the rest to the heir, and lets connections end.
    async fn give_way(self, heir: Heir, orders: &mut Orders) -> Result {
        let Self {
            node,
            lock,
            listener,
            duties,
            guide,
            gateway,
            footing,
        } = self;
        tracing::info!(
            process = heir.pid,
            version = heir.version,
            "another process takes over"
        );
        guide.end(STOP_LIMIT).await;
        node.is_old.store(true, Ordering::SeqCst);
        handover::freeze(&node);
        if !duties.end(STOP_LIMIT).await {
            // Why so hard: two keepers at the same time are worse than no process for a moment.
            return Err(Failure::new(
                "the services did not end: this process does, with its connections",
            ));
        }
        if !handover::quiet(STOP_LIMIT).await {
            return Err(Failure::new(
                "a file is still being written: this process ends, with its connections",
            ));
        }
        // Why: the next agent lets nobody in who is in already.
        node.admissions.cut_all().await;
        if let Some(upstream) = &node.upstream {
            let closed = upstream.set(None).await;
            closed.map_err(Failure::doing("close the replication tunnel"))?;
        }
        listener.close().await;
        node.raft.stop().await;
        let heir = {
            let mut handing = std::pin::pin!(hand_over(&node, &lock, heir));
            tokio::select! {
                heir = &mut handing => heir?,
                () = orders.end() => {
                    // Why not sooner: half a hand-over leaves no agent; a whole one leaves one that can be ended.
                    let heir = handing.await?;
                    heir.terminate();
                    heir
                }
            }
        };
        let pid = heir.pid;
        if let Some(gateway) = node.gateway.get() {
            gateway.hand_over();
        }
        drop(lock);
        notify::replaced_by(pid);
        let linger = node.settings.borrow().file.gateway.linger.0;
        tracing::info!(
            process = pid,
            ?linger,
            "another process is the agent; connections go on here"
        );
        let why = tokio::select! {
            why = handover::remain(&node, linger) => why,
            () = orders.end() => "it was told to end",
        };
        tracing::info!("the old process ends: {why}");
        gateway.end(DRAIN_LIMIT).await;
        footing.send_replace(true);
        Ok(())
    }
}

/// The papers, the lock, and what the process before this one gave.
async fn enter(config: &Config, seat: Option<&Seat>) -> Result<(Papers, Lock, Inherited)> {
    let Some(seat) = seat else {
        let papers = Papers::read(config)?;
        let lock = Lock::take(config.data_dir())?;
        return Ok((papers, lock, Inherited::default()));
    };
    Papers::read_beside(config)?;
    let mut given = seat.wait().await?.into_iter();
    let lock = given
        .next()
        .ok_or_else(|| Failure::new("the running agent gave no lock"))?;
    let lock = Lock::inherit(lock, config.data_dir())?;
    // Why again: the old agent may have written meanwhile.
    let papers = Papers::read_alone(config)?;
    Ok((papers, lock, Inherited::from(given.collect::<Vec<_>>())))
}

/// Makes the heir the agent; when it fails, a process of this very program. Returns the one that is.
async fn hand_over(node: &Node, lock: &Lock, mut heir: Heir) -> Result<Heir> {
    let mut last = None;
    for is_last in [false, true] {
        let mut sockets = vec![lock.lend()?];
        if let Some(gateway) = node.gateway.get() {
            let lent = gateway.lend();
            sockets.extend(lent.map_err(Failure::doing("hand over the listening sockets"))?);
        }
        let Err(failure) = heir.go(&sockets).await else {
            return Ok(heir);
        };
        tracing::error!("the new process cannot be the agent: {failure}");
        if !heir.end().await {
            return Err(Failure::new("the new process cannot be ended").cause(failure));
        }
        last = Some(failure);
        if is_last {
            break;
        }
        heir = Heir::start(Path::new("/proc/self/exe")).await?;
    }
    Err(last.unwrap_or_else(|| Failure::new("no process could take over")))
}

fn start_services(
    node: &Arc<Node>,
    control: control::Server,
    orders: mpsc::Sender<Order>,
) -> Group {
    let mut group = Group::new();
    let services = &mut group.services;
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
    services.keep("metrics", move |stop| pages::run(Arc::clone(&of), stop));
    let of = Arc::clone(node);
    services.keep("watchdog", move |stop| notify::run(Arc::clone(&of), stop));
    let of = Arc::clone(node);
    services.keep("readers", move |stop| yielding::run(Arc::clone(&of), stop));
    let answerer = Arc::new(Answerer::new(Arc::clone(node), orders));
    let stopped = group.stop.subscribe();
    services.once("control socket", control.run(answerer, stopped));
    group
}

/// The gateway stops first, what it stands on later.
fn start_gateway(node: &Arc<Node>, footing: &watch::Receiver<bool>) -> Group {
    let mut group = Group::new();
    if !node.config.has_gateway() {
        // Why: nobody would accept who comes to the doors of the process before.
        drop(node.take_inherited());
        return group;
    }
    let (routes, accounts) = (
        route::follow(node, footing),
        accounts::Table::start(node, footing),
    );
    let of = Arc::clone(node);
    group.services.keep("gateway", move |stop| {
        gateway::run(Arc::clone(&of), routes.clone(), Arc::clone(&accounts), stop)
    });
    let of = Arc::clone(node);
    group
        .services
        .keep("gate", move |stop| gate::run(Arc::clone(&of), stop));
    if node.config.file.gateway.split {
        let of = Arc::clone(node);
        group
            .services
            .keep("names", move |stop| names::run(Arc::clone(&of), stop));
    }
    group
}
