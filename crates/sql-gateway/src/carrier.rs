//! Threads that carry other nodes' connections to this node's server, beside those of the gateway: they serve also while
//! this node's own gateway does not, and what they carry never waits for the agent's own work, nor that for them.

use std::convert::Infallible;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

use crate::crew::threads;
use crate::driver;
use crate::error::GatewayError;
use crate::reactor::{Inbox, Reactor, spawn};
use crate::route::Sealed;
use crate::turn;

/// Carries until it is dropped, which ends everything it carries.
pub struct Carrier {
    lanes: Vec<Arc<Lane>>,
    threads: Vec<JoinHandle<()>>,
}

/// One thread.
struct Lane {
    inbox: Arc<Inbox>,
    carried: AtomicUsize,
    /// Its thread has ended.
    has_ended: AtomicBool,
}

impl Carrier {
    /// So many threads; 0: as many as a gateway has by itself.
    ///
    /// # Errors
    /// There are no file descriptors or threads left.
    pub fn start(wanted: usize) -> Result<Self, GatewayError> {
        let mut carrier = Self {
            lanes: Vec::new(),
            threads: Vec::new(),
        };
        for number in 0..threads(wanted) {
            let reactor = Reactor::new().map_err(GatewayError::Loop)?;
            let lane = Arc::new(Lane {
                inbox: reactor.inbox(),
                carried: AtomicUsize::new(0),
                has_ended: AtomicBool::new(false),
            });
            carrier.lanes.push(Arc::clone(&lane));
            let thread = std::thread::Builder::new().name(format!("carry-{number}"));
            let life = move || {
                let _ends = Ends(lane);
                turn::takes_its_turn();
                if let Err(error) = reactor.run() {
                    tracing::error!(%error, "a thread that carries connections cannot go on");
                }
            };
            let thread = thread.spawn(life).map_err(GatewayError::Loop)?;
            carrier.threads.push(thread);
        }
        Ok(carrier)
    }

    /// Carries a stream from another node to the server at the other end of `server` (connected, and it does not block), and
    /// back, until both have ended. When this future is dropped both are reset.
    ///
    /// # Errors
    /// One of them was lost, or no thread is left.
    pub async fn carry(&self, far: Sealed, server: OwnedFd) -> io::Result<()> {
        let serves = |lane: &&Arc<Lane>| !lane.has_ended.load(Ordering::Relaxed);
        let carried = |lane: &&Arc<Lane>| lane.carried.load(Ordering::Relaxed);
        let lane = self.lanes.iter().filter(serves).min_by_key(carried);
        let lane = Arc::clone(lane.ok_or(io::ErrorKind::NotConnected)?);
        let (ended, outcome) = oneshot::channel();
        let (_wants, wanted) = oneshot::channel::<Infallible>();
        let load = Load::on(Arc::clone(&lane));
        lane.inbox.visit(move || {
            spawn(async move {
                let _load = load;
                let _ = ended.send(driver::carry(far, server, wanted).await);
            });
        });
        // Why: a thread that has ended tells nobody.
        let lost = |_| Err(io::ErrorKind::BrokenPipe.into());
        outcome.await.unwrap_or_else(lost)
    }
}

impl Drop for Carrier {
    fn drop(&mut self) {
        for lane in &self.lanes {
            lane.inbox.end();
        }
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// However its thread ends.
struct Ends(Arc<Lane>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::Relaxed);
    }
}

/// One more, until it is dropped.
struct Load(Arc<Lane>);

impl Load {
    fn on(lane: Arc<Lane>) -> Self {
        lane.carried.fetch_add(1, Ordering::Relaxed);
        Self(lane)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.carried.fetch_sub(1, Ordering::Relaxed);
    }
}
