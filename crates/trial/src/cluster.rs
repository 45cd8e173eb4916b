//! A whole cluster as child processes of this one: built, started, asked, and ended for sure.
//! Faults are in `fault.rs`; the configuration keys it writes are in `settings.rs`.

mod builder;

use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio::task::JoinSet;

pub use builder::Builder;

use crate::{
    Database, Error, Gateway, History, Limits, Node, Result, Status, Verdict, check, interrupt,
    load::{self, Account},
    namespace::Network,
    process, settings,
};

/// How long `init`, `token` or `join` (which may clone) may take.
const VERB_LIMIT: Duration = Duration::from_mins(2);
/// How long a graceful end may take before it is a hard one.
const GRACE: Duration = Duration::from_secs(8);
/// Between two looks at the status.
const LOOK: Duration = Duration::from_millis(150);
/// How long further answers to one question are waited for.
const OTHERS: Duration = Duration::from_secs(1);

/// Everything that must be ended; shared with the signal handler.
#[derive(Debug)]
pub(crate) struct Estate {
    pub(crate) nodes: Vec<Node>,
    pub(crate) network: Mutex<Option<Network>>,
}

impl Estate {
    /// Kills every process of every node, then removes the network. Safe to call twice.
    pub(crate) fn end_now(&self) {
        for node in &self.nodes {
            // Why first: what waits for a frozen disk cannot even be killed.
            if let Some(disk) = &*node.disk() {
                disk.thaw();
            }
            match node.kill(Node::pids) {
                Ok(()) => {
                    node.disk().take();
                    process::unmark_dir(&node.dir);
                }
                Err(error) => tracing::error!(%error, "a node could not be ended"),
            }
            node.reap();
        }
        self.network
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
    }
}

/// A running cluster. Dropping it kills everything it started; its files stay.
#[derive(Debug)]
pub struct Cluster {
    pub(crate) estate: Arc<Estate>,
}

impl Cluster {
    fn new(estate: Estate) -> Self {
        let estate = Arc::new(estate);
        interrupt::register(&estate);
        Self { estate }
    }

    /// All nodes, also those that have not joined yet; the witness last.
    pub fn nodes(&self) -> &[Node] {
        &self.estate.nodes
    }

    /// The node of this name.
    ///
    /// # Errors
    /// There is none.
    pub fn node(&self, name: &str) -> Result<&Node> {
        let found = self.estate.nodes.iter().find(|node| node.name == name);
        found.ok_or_else(|| Error::NoNode(name.to_owned()))
    }

    /// Makes the first node and starts it.
    pub(crate) async fn found(&self, node: &Node) -> Result<()> {
        let mut args = vec!["init".to_owned()];
        args.extend(Self::options(node));
        node.must(&args, "", VERB_LIMIT).await?;
        node.start()
    }

    /// Lets a node join by a token of `from`, and starts it.
    ///
    /// # Errors
    /// A verb refuses, or takes longer than two minutes.
    pub async fn join(&self, name: &str, from: &str) -> Result<()> {
        let (node, from) = (self.node(name)?, self.node(from)?);
        let mut ask = vec!["token"];
        ask.extend(node.witness.then_some("--witness"));
        let token = from.must(&ask, "", VERB_LIMIT).await?;
        let mut args = vec!["join".to_owned(), "-".to_owned()];
        args.extend(Self::options(node));
        args.extend(node.witness.then(|| "--witness".to_owned()));
        node.must(&args, &token, VERB_LIMIT).await?;
        node.start()
    }

    fn options(node: &Node) -> Vec<String> {
        let mut args = vec!["--name".to_owned(), node.name.clone()];
        let mut option = |key: &str, value: String| args.extend([key.to_owned(), value]);
        option("--address", node.address.to_string());
        option("--data-dir", node.data_dir().display().to_string());
        let keys = if node.witness {
            settings::of_witness(node.ports)
        } else {
            option("--database-dir", node.database_dir().display().to_string());
            let socket = node.sql_socket();
            let mut keys = settings::of_data_node(node.sql_address(), &socket, node.ports);
            keys.extend(node.keys.iter().cloned());
            keys
        };
        args.extend(keys.into_iter().flat_map(|key| ["--set".to_owned(), key]));
        args
    }

    /// What this node's agent says.
    ///
    /// # Errors
    /// There is no agent, or it does not answer as the contract says.
    pub async fn status(&self, node: &str) -> Result<Status> {
        self.node(node)?.status().await
    }

    /// The status of the highest epoch that any running data node tells. All are asked at once;
    /// after the first answer the others get a second more (a frozen one never answers).
    ///
    /// # Errors
    /// None answers; the error is the last one's.
    pub async fn any_status(&self) -> Result<Status> {
        let mut asked = JoinSet::new();
        for (at, node) in self.nodes().iter().enumerate() {
            if !node.witness && node.is_running() {
                let estate = Arc::clone(&self.estate);
                asked.spawn(async move { (at, estate.nodes[at].status().await) });
            }
        }
        let mut best: Result<Status> = Err(Error::NoNode("any that runs".into()));
        let mut rank = None;
        loop {
            let wait = if best.is_ok() { OTHERS } else { VERB_LIMIT };
            let Ok(Some(Ok((at, answer)))) = tokio::time::timeout(wait, asked.join_next()).await
            else {
                return best;
            };
            // Among answers of one epoch the primary's own is the freshest.
            let worth = answer.as_ref().ok().map(|status| {
                let is_own = status.primary.as_ref() == Some(&self.nodes()[at].name);
                (status.epoch, is_own, status.is_protected())
            });
            if best.is_err() || worth > rank {
                (best, rank) = (answer, worth);
            }
        }
    }

    /// The primary's name.
    ///
    /// # Errors
    /// No node answers, or none is primary.
    pub async fn primary(&self) -> Result<String> {
        let status = self.any_status().await?;
        let seen = status.summary();
        status
            .primary
            .ok_or_else(|| waited("there is a primary", Duration::ZERO, seen))
    }

    /// Waits until the condition holds of the best status; returns how long that took.
    ///
    /// # Errors
    /// `Waited` with the last status seen.
    pub async fn wait_until(
        &self,
        what: &str,
        limit: Duration,
        condition: impl Fn(&Status) -> bool,
    ) -> Result<Duration> {
        let start = Instant::now();
        loop {
            let status = self.any_status().await;
            if status.as_ref().is_ok_and(&condition) {
                return Ok(start.elapsed());
            }
            if start.elapsed() > limit {
                let seen = status.map_or_else(|error| error.to_string(), |status| status.summary());
                return Err(waited(what, limit, seen));
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the cluster is protected; returns how long that took.
    ///
    /// # Errors
    /// `Waited` with the last status seen.
    pub async fn wait_protected(&self, limit: Duration) -> Result<Duration> {
        self.wait_until("the cluster is protected", limit, Status::is_protected)
            .await
    }

    /// The data nodes that run.
    fn running(&self) -> Vec<&str> {
        let is_running = |node: &&Node| !node.witness && node.is_running();
        self.nodes()
            .iter()
            .filter(is_running)
            .map(Node::name)
            .collect()
    }

    /// Waits until every running data node is primary or replica and the cluster is protected.
    ///
    /// # Errors
    /// `Waited` with the last status seen.
    pub async fn wait_settled(&self, limit: Duration) -> Result<Duration> {
        let names = self.running();
        let is_serving = |status: &Status, name: &str| {
            status
                .node(name)
                .is_some_and(|node| match node.role.as_str() {
                    "primary" => status.primary.as_deref() == Some(name),
                    "replica" => status.primary.as_deref() != Some(name),
                    _ => false,
                })
        };
        let settled = |status: &Status| {
            status.is_protected() && names.iter().all(|name| is_serving(status, name))
        };
        self.wait_until(
            "every data node is primary or replica, and protected",
            limit,
            settled,
        )
        .await
    }

    /// The same, and every running data node is the primary or in sync with it.
    ///
    /// # Errors
    /// It does not happen within the limit.
    pub async fn wait_whole(&self, limit: Duration) -> Result<Duration> {
        let settled = self.wait_settled(limit).await?;
        let names = self.running();
        let is_whole = |status: &Status| {
            names.iter().all(|name| {
                let is_in = status.in_sync.iter().any(|member| member == name);
                is_in || status.primary.as_deref() == Some(name)
            })
        };
        self.wait_until("every data node is in sync", limit, is_whole)
            .await?;
        Ok(settled)
    }

    /// A planned change of primary, confirmed beforehand.
    ///
    /// # Errors
    /// The program refuses or fails.
    pub async fn switchover(&self, to: &str) -> Result<()> {
        let primary = self.primary().await?;
        let args = ["switchover", "--to", to, "--yes"];
        self.node(&primary)?
            .must(&args, "", VERB_LIMIT)
            .await
            .map(drop)
    }

    /// Makes the load's tables and account at the primary; returns the account.
    ///
    /// # Errors
    /// There is no primary, or it refuses.
    pub async fn prepare_load(&self, accounts: u32) -> Result<Account> {
        let status = self.any_status().await?;
        let primary = status.primary.clone().unwrap_or_default();
        load::prepare(&self.node(&primary)?.database(Some(&status)), accounts).await
    }

    /// The gateways of these nodes, for a load.
    ///
    /// # Errors
    /// There is no such node.
    pub fn gateways(&self, nodes: &[&str], account: &Account) -> Result<Vec<Gateway>> {
        nodes
            .iter()
            .map(|name| Ok(self.node(name)?.gateway(account)))
            .collect()
    }

    /// Waits until the cluster has healed whole, then holds every running data node's database against
    /// the load's history. A node that does not come back as primary or replica is a violation.
    ///
    /// # Errors
    /// A database cannot be read.
    pub async fn judge(&self, history: &History, limits: Limits) -> Result<Verdict> {
        let settled = self.wait_whole(limits.healed).await;
        let mut databases: Vec<Database> = Vec::new();
        for node in self
            .nodes()
            .iter()
            .filter(|node| !node.witness && node.is_running())
        {
            databases.push(node.database(node.status().await.ok().as_ref()));
        }
        let mut verdict = check::examine(history, &databases, limits).await?;
        if let Err(error) = settled {
            verdict.add(check::Violation::NotHealed {
                seen: error.to_string(),
            });
        }
        Ok(verdict)
    }

    /// Ends everything in order: agents by SIGTERM, then servers by SIGTERM; what is left after
    /// a few seconds is killed.
    pub async fn stop(self) {
        let agents = |node: &Node| node.agent_pid().into_iter().collect::<Vec<_>>();
        self.end_gently(agents).await;
        self.end_gently(Node::server_pids).await;
    }

    async fn end_gently(&self, find: impl Fn(&Node) -> Vec<i32>) {
        let until = Instant::now() + GRACE;
        for node in self.nodes() {
            for pid in find(node) {
                process::signal(pid, &node.identity, Signal::TERM);
            }
        }
        while Instant::now() < until && self.nodes().iter().any(|node| !find(node).is_empty()) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) fn address_of(&self, name: &str) -> Result<Ipv4Addr> {
        Ok(self.node(name)?.address)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.estate.end_now();
    }
}

fn waited(what: &str, limit: Duration, seen: String) -> Error {
    Error::Waited {
        what: what.to_owned(),
        limit,
        seen,
    }
}
