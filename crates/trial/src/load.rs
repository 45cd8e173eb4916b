//! A load through the gateways of chosen nodes: writers, readers and clients of lists that go on
//! whatever breaks, and a history of every operation and transaction with its outcome. One thread per gateway, because a thread
//! can live in a network namespace and a task cannot.

mod client;
mod gap;
mod history;
mod keys;
mod list_client;
mod live;
mod reader;
mod schema;
mod transaction;
mod writer;

use std::{
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use tokio::{runtime, sync::watch, task::JoinSet};

pub use gap::Gap;
pub(crate) use history::Work;
pub use history::{History, Kind, Operation, Outcome};
pub(crate) use keys::parse;
use keys::{Keys, LIST_CLIENTS};
pub(crate) use live::Counters;
pub use live::Live;
pub(crate) use schema::{ACCOUNT_START, REGISTERS};
pub use schema::{Account, SCHEMA, prepare};
pub use transaction::{Action, Class, Element, Key, Step, Transaction};

use crate::{Error, Place, Result};

/// Where a load connects.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// The node it is on.
    pub node: String,
    /// The network that reaches it.
    pub place: Place,
    /// Its address there.
    pub address: SocketAddr,
    /// Who the load is.
    pub account: Account,
}

/// How much load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Writers at each gateway; 256 in all at most.
    pub writers: u32,
    /// Readers at each gateway.
    pub readers: u32,
    /// Clients that run transactions over lists, at each gateway; 256 in all at most. Each begins
    /// half as many a second as `rate` says.
    pub lists: u32,
    /// The most operations that one writer or reader begins in a second.
    pub rate: u32,
    /// How long a client waits for one answer before it gives the connection up. More than the
    /// gateways' hold limit (15 s), or held statements count as unknown.
    pub deadline: Duration,
    /// How long it waits for a connection.
    pub connect: Duration,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            writers: 4,
            readers: 1,
            lists: 2,
            rate: 25,
            deadline: Duration::from_secs(20),
            connect: Duration::from_secs(20),
        }
    }
}

/// What writers and readers of one gateway share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) gateway: Gateway,
    /// Its number, for histories.
    pub(crate) number: usize,
    pub(crate) plan: Plan,
    pub(crate) start: Instant,
    pub(crate) accounts: u32,
    pub(crate) counters: Counters,
    pub(crate) keys: Arc<Keys>,
    pub(crate) stop: watch::Receiver<bool>,
}

impl Shared {
    /// Time since the load began.
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The turns of one client, so many a second; a late turn is not made up for.
    pub(crate) fn turns(client: u32, rate: u32) -> tokio::time::Interval {
        let every = Duration::from_secs(1) / rate.max(1);
        // Spread, so that the clients do not all come at once.
        let offset = every.mul_f64(f64::from(client % 7) / 7.0);
        let mut turns = tokio::time::interval_at(tokio::time::Instant::now() + offset, every);
        turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        turns
    }

    /// Waits for the next turn; false when the load is to end.
    pub(crate) async fn turn(&self, turns: &mut tokio::time::Interval) -> bool {
        let mut stop = self.stop.clone();
        let ended = stop.wait_for(|stop| *stop);
        tokio::select! {
            biased;
            _ = ended => false,
            _ = turns.tick() => true,
        }
    }
}

/// A gateway's thread; what its clients did, or `None` when a client broke down.
type Served = JoinHandle<Option<Work>>;

/// A load that runs until `finish`. Dropping it ends it too, and forgets the history.
#[derive(Debug)]
pub struct Load {
    stop: watch::Sender<bool>,
    start: Instant,
    gateways: Vec<(Arc<Shared>, Served)>,
}

impl Load {
    /// Starts it. The tables must have been prepared (`prepare`), and by no earlier load be used.
    ///
    /// # Errors
    /// A thread cannot be started.
    pub fn start(gateways: Vec<Gateway>, plan: Plan) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let start = Instant::now();
        let keys = Arc::new(Keys::default());
        let mut load = Self {
            stop,
            start,
            gateways: Vec::new(),
        };
        for (number, gateway) in gateways.into_iter().enumerate() {
            let shared = Arc::new(Shared {
                accounts: gateway.account.accounts,
                gateway,
                number,
                plan,
                start,
                counters: Counters::default(),
                keys: Arc::clone(&keys),
                stop: stopped.clone(),
            });
            let own = Arc::clone(&shared);
            let thread = thread::Builder::new()
                .name(format!("load-{}", shared.gateway.node))
                .spawn(move || serve(&own))
                .map_err(|source| Error::NotRun {
                    command: "load thread".into(),
                    source,
                })?;
            load.gateways.push((shared, thread));
        }
        Ok(load)
    }

    /// The counters now, one row per gateway.
    pub fn live(&self) -> Vec<Live> {
        let row = |shared: &Shared| shared.counters.read(&shared.gateway.node, shared.now());
        self.gateways
            .iter()
            .map(|(shared, _)| row(shared))
            .collect()
    }

    /// Waits until every one of these gateways has acknowledged this many writes since now.
    ///
    /// # Errors
    /// `Waited` with the counters.
    pub async fn wait_acknowledged(
        &self,
        nodes: &[&str],
        count: u64,
        limit: Duration,
    ) -> Result<()> {
        let before = self.live();
        let until = Instant::now() + limit;
        loop {
            let now = self.live();
            let grown = before
                .iter()
                .zip(&now)
                .filter(|(_, now)| nodes.contains(&now.node.as_str()));
            if grown
                .clone()
                .all(|(before, now)| now.acknowledged >= before.acknowledged + count)
            {
                return Ok(());
            }
            if Instant::now() > until {
                let seen = now
                    .iter()
                    .map(ToString::to_string)
                    .collect::<Vec<_>>()
                    .join("; ");
                let what = format!("{} acknowledge {count} more writes each", nodes.join(", "));
                return Err(Error::Waited { what, limit, seen });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Lets every client finish its operation (at most the plan's deadline), and returns what
    /// happened.
    ///
    /// # Errors
    /// A client ended by a bug of its own: the history would be incomplete.
    pub async fn finish(mut self) -> Result<History> {
        self.stop.send_replace(true);
        let mut history = History::new(self.start, Vec::new(), Vec::new());
        for (shared, thread) in std::mem::take(&mut self.gateways) {
            let ended = tokio::task::spawn_blocking(move || thread.join()).await;
            let Ok(Ok(Some(work))) = ended else {
                return Err(Error::LoadBroke(shared.gateway.node.clone()));
            };
            history.absorb(&shared.gateway.node, work, shared.counters.errors());
        }
        history.close(self.start.elapsed());
        Ok(history)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

/// The life of one gateway's thread; `None` when a client broke down.
fn serve(shared: &Arc<Shared>) -> Option<Work> {
    shared.gateway.place.enter().ok()?;
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .ok()?;
    let number = u32::try_from(shared.number).ok()?;
    let ids = |each: u32, most: u32| {
        let first = number.saturating_mul(each);
        (first..first.saturating_add(each)).take_while(move |id| *id < most)
    };
    runtime.block_on(async {
        let mut clients = JoinSet::new();
        for writer in ids(shared.plan.writers, REGISTERS) {
            clients.spawn(writer::run(Arc::clone(shared), writer));
        }
        for _ in 0..shared.plan.readers {
            clients.spawn(reader::run(Arc::clone(shared)));
        }
        let mut list_clients = JoinSet::new();
        for client in ids(shared.plan.lists, LIST_CLIENTS) {
            list_clients.spawn(list_client::run(Arc::clone(shared), client));
        }
        let mut work = Work::default();
        while let Some(ended) = clients.join_next().await {
            work.operations.extend(ended.ok()?);
        }
        while let Some(ended) = list_clients.join_next().await {
            work.transactions.extend(ended.ok()?);
        }
        Some(work)
    })
}
