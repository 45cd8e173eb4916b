//! The gateway's threads, each with a loop of its own. A client stays on its thread; the first one accepts all, and gives
//! each to the thread with the fewest.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use crate::doors::Entrance;
use crate::driver;
use crate::error::GatewayError;
use crate::fault::Fault;
use crate::listen::{Listener, Newcomer};
use crate::manner::Spot;
use crate::reactor::{Acceptor, Inbox, Reactor, sleep, spawn, wake_all};
use crate::service::Shared;
use crate::tally::{Left, Tally};
use crate::turn;

/// After an accept that failed: out of descriptors, and trying again at once would only burn the processor.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);

/// Accepted in a row before they have their turn: a flood must send itself away before it has taken all places.
const IN_A_ROW: u32 = 32;

/// One thread, for the others.
#[repr(align(128))]
pub(crate) struct Lane {
    inbox: Arc<Inbox>,
    clients: AtomicUsize,
    /// Why here: a counter for all threads would go to and fro between their processors.
    statements: AtomicU64,
    /// What its thread has done.
    pub(crate) tally: Tally,
    /// Of these: reads on replicas.
    reads: AtomicU64,
}

impl Lane {
    pub(crate) fn statements(&self) -> u64 {
        self.statements.load(Ordering::Relaxed)
    }

    /// Runs `visit` on its thread.
    pub(crate) fn visit(&self, visit: impl FnOnce() + Send + 'static) {
        self.inbox.visit(visit);
    }

    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Counts a read on a replica.
    pub(crate) fn count_read(&self) {
        self.count_statement();
        self.reads.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_statement(&self) {
        self.statements.fetch_add(1, Ordering::Relaxed);
    }
}

/// So many threads; 0: as many as there are processors, and one where there are only two.
pub(crate) fn threads(wanted: usize) -> usize {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    match (wanted, processors) {
        (0, 1 | 2) => 1,
        (0, processors) => processors,
        (wanted, _) => wanted,
    }
}

/// Loops that were made and are not running yet.
pub(crate) struct Crew {
    reactors: Vec<Reactor>,
}

impl Crew {
    /// See [`threads`].
    pub(crate) fn new(wanted: usize) -> Result<(Self, Vec<Lane>), GatewayError> {
        let reactors = (0..threads(wanted)).map(|_| Reactor::new());
        let reactors: Result<Vec<Reactor>, _> = reactors.collect();
        let reactors = reactors.map_err(GatewayError::Loop)?;
        let lane = |reactor: &Reactor| Lane {
            inbox: reactor.inbox(),
            clients: AtomicUsize::new(0),
            statements: AtomicU64::new(0),
            tally: Tally::default(),
            reads: AtomicU64::new(0),
        };
        let lanes = reactors.iter().map(lane).collect();
        Ok((Self { reactors }, lanes))
    }

    /// Starts all threads; clients are accepted until the doors close.
    pub(crate) fn start(self, shared: &Arc<Shared>) -> std::io::Result<AtWork> {
        let (ended, any_ended) = oneshot::channel::<()>();
        let mut at_work = AtWork {
            shared: Arc::clone(shared),
            threads: Vec::new(),
            any_ended,
        };
        let mut ended = Some(ended);
        for (number, reactor) in self.reactors.into_iter().enumerate() {
            let follower = Arc::clone(shared);
            let waker = Arc::clone(shared);
            reactor.inbox().visit(move || {
                spawn(follow(follower));
                spawn(driver::wake_idle(waker));
            });
            // Why only the first: without it nobody is let in; without another one its clients are gone.
            let ended = ended.take();
            let thread = std::thread::Builder::new().name(format!("sql-{number}"));
            at_work.threads.push(thread.spawn(move || {
                let _ended = ended;
                turn::takes_its_turn();
                if let Err(error) = reactor.run() {
                    tracing::error!(%error, "a thread of the gateway cannot go on");
                }
            })?);
        }
        admit(shared, shared.doors.open());
        Ok(at_work)
    }
}

/// Lets clients in at these doors.
pub(crate) fn admit(shared: &Arc<Shared>, entrances: Vec<Entrance>) {
    for (listener, spot, closed) in entrances {
        let shared = Arc::clone(shared);
        let first = Arc::clone(&shared.lanes[0].inbox);
        first.visit(move || spawn(accept(shared, (listener, spot), closed)));
    }
}

/// Running threads. They end when this is dropped.
pub(crate) struct AtWork {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    any_ended: oneshot::Receiver<()>,
}

impl AtWork {
    /// Returns when a thread that cannot be missed has ended by itself.
    pub(crate) async fn broken(&mut self) {
        let _ = (&mut self.any_ended).await;
    }

    /// Ends all threads, with whatever they are doing, and waits for them.
    pub(crate) async fn end(mut self) {
        let threads = std::mem::take(&mut self.threads);
        drop(self);
        let joined = tokio::task::spawn_blocking(move || {
            for thread in threads {
                let _ = thread.join();
            }
        });
        let _ = joined.await;
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        for lane in &self.shared.lanes {
            lane.inbox.end();
        }
    }
}

/// Tells a thread's clients that the gate has changed: they look for themselves.
async fn follow(shared: Arc<Shared>) {
    let mut gate = shared.gate.watch();
    while gate.changed().await.is_ok() {
        driver::sweep(&shared);
        wake_all();
    }
}

async fn accept(
    shared: Arc<Shared>,
    (listener, spot): (Listener, Spot),
    mut closed: watch::Receiver<bool>,
) {
    let acceptor = match Acceptor::new(listener) {
        Ok(acceptor) => acceptor,
        Err(error) => return tracing::error!(%error, "cannot accept clients"),
    };
    let accepting = async {
        let mut in_a_row = 0;
        loop {
            match acceptor.accept(Listener::accept).await {
                Ok(newcomer) => {
                    welcome(&shared, newcomer, &spot);
                    in_a_row += 1;
                    if in_a_row % IN_A_ROW == 0 {
                        tokio::task::yield_now().await;
                    }
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a client");
                    sleep(ACCEPT_AGAIN).await;
                }
            }
        }
    };
    tokio::select! {
        () = accepting => {}
        _ = closed.wait_for(|closed| *closed) => {}
    }
}

fn welcome(shared: &Arc<Shared>, newcomer: Newcomer, spot: &Spot) {
    let counters = &shared.counters;
    counters.connections_total.fetch_add(1, Ordering::Relaxed);
    if counters.connections.load(Ordering::Relaxed) >= shared.limits.max_connections() {
        counters.errors.fetch_add(1, Ordering::Relaxed);
        let tally = &shared.lanes[0].tally;
        tally.turned_away(newcomer.via(), Left::TooMany);
        // Why: a fresh socket's buffer takes these bytes; whoever does not read them is not waited for.
        return newcomer.say(&wire::packet::packet(
            0,
            &Fault::TooManyConnections.payload(),
        ));
    }
    let clients = |number: &usize| shared.lanes[*number].clients.load(Ordering::Relaxed);
    let lane = (0..shared.lanes.len()).min_by_key(clients).unwrap_or(0);
    let manner = shared.limits.rules().manner(spot);
    let guest = Guest::new(Arc::clone(shared), lane);
    let life = move || spawn(driver::serve((newcomer, manner), guest));
    if lane == 0 {
        life();
    } else {
        shared.lanes[lane].inbox.visit(life);
    }
}

/// Counts a connection in, and out however its task ends.
pub(crate) struct Guest {
    pub(crate) shared: Arc<Shared>,
    /// The thread that serves it.
    pub(crate) lane: usize,
}

impl Guest {
    fn new(shared: Arc<Shared>, lane: usize) -> Self {
        shared.counters.connections.fetch_add(1, Ordering::Relaxed);
        shared.lanes[lane].clients.fetch_add(1, Ordering::Relaxed);
        Self { shared, lane }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let Self { shared, lane } = self;
        shared.counters.connections.fetch_sub(1, Ordering::Relaxed);
        shared.lanes[*lane].clients.fetch_sub(1, Ordering::Relaxed);
    }
}
