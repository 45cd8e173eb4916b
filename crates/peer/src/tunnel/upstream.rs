//! The replica's side: a local port to which its server's replication thread connects, open only while
//! there is a primary to follow. Without a target the port is closed and its connections are reset,
//! so that stopping the thread does not wait for a silent primary.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::hello::Hello;
use super::links::{Stay, Target};
use crate::pipe::{Tap, pipe};
use crate::socket::{Port, STEADY, Socket};
use crate::{Endpoint, Error, Result, Stream, tunnel};

/// Opening a tunnel takes no longer, else the local connection is reset and the server tries again.
const OPEN_LIMIT: Duration = Duration::from_secs(5);
/// For how long a refused tunnel is asked for again, and how soon each time.
const PATIENCE: Duration = Duration::from_secs(4);
const AGAIN: Duration = Duration::from_millis(30);
const AGAIN_AT_MOST: Duration = Duration::from_millis(500);
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Whom to replicate from, and what to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamTarget {
    /// The primary.
    pub node: String,
    /// Its peer port.
    pub addr: SocketAddr,
    /// What this replica is.
    pub hello: Hello,
}

/// The local end of replication, as it is now.
#[derive(Debug, Clone, Default)]
pub struct UpstreamState {
    /// The present target; none: the port is closed.
    pub target: Option<UpstreamTarget>,
    /// Since when a tunnel is connected to the primary's server.
    pub connected: Option<Instant>,
    /// Bytes from and to the primary since the target was set.
    pub bytes: (u64, u64),
    /// When the primary's server last sent something.
    pub last_from_primary: Option<Instant>,
    /// When and why a tunnel last was refused, not opened or lost, since the target was set.
    pub last_refusal: Option<(Instant, String)>,
}

/// The local port.
pub struct Upstream {
    endpoint: Endpoint,
    listen: SocketAddr,
    running: tokio::sync::Mutex<Option<Running>>,
    target: Mutex<Arc<Target>>,
    changes: watch::Sender<u64>,
}

struct Running {
    target: Arc<Target>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// A closed port at this local address.
    ///
    /// Choose one below the range that the kernel gives to outgoing connections (32768 and up on
    /// Linux), else one of these may have it when it is to be opened.
    pub fn new(endpoint: Endpoint, listen: SocketAddr) -> Self {
        Self {
            endpoint,
            listen,
            running: tokio::sync::Mutex::default(),
            target: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Sets or removes the target. When it returns the old target's connections have been reset, and
    /// the port is open for the new one, or closed when there is none. The same target again changes
    /// nothing. Fails only when the port cannot be opened; it is closed then.
    pub async fn set(&self, target: Option<UpstreamTarget>) -> Result<()> {
        let mut running = self.running.lock().await;
        if running.as_ref().map(|running| &running.target.wanted) == Some(&target) {
            return Ok(());
        }
        if let Some(mut old) = running.take() {
            old.target.sever_all();
            old.task.abort();
            self.publish(Target::default());
            // Why: the port is closed for certain only when its task is gone.
            let _ = (&mut old.task).await;
        }
        let Some(target) = target else { return Ok(()) };
        let failed = |source| Error::Listen {
            addr: self.listen,
            source,
        };
        let listener = Port::open(self.listen).await.map_err(failed)?;
        let target = self.publish(Target::new(Some(target)));
        let bridge = Bridge {
            endpoint: self.endpoint.clone(),
            target: Arc::clone(&target),
            changes: self.changes.clone(),
        };
        let task = tokio::spawn(accept(listener, Arc::new(bridge)));
        *running = Some(Running { target, task });
        Ok(())
    }

    fn publish(&self, target: Target) -> Arc<Target> {
        let target = Arc::new(target);
        *self.target.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&target);
        self.changes.send_modify(|count| *count += 1);
        target
    }

    /// The present state.
    pub fn state(&self) -> UpstreamState {
        let target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
        target.state()
    }

    /// Changes whenever the target changes and a tunnel connects, ends or is refused.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.target.sever_all();
        self.task.abort();
    }
}

struct Bridge {
    endpoint: Endpoint,
    target: Arc<Target>,
    changes: watch::Sender<u64>,
}

async fn accept(listener: Port, bridge: Arc<Bridge>) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => { links.spawn(Arc::clone(&bridge).serve(tcp)); }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = links.join_next() => {}
        }
    }
}

impl Bridge {
    async fn serve(self: Arc<Self>, tcp: TcpStream) {
        let Ok(mut local) = Socket::new(tcp, STEADY) else {
            return;
        };
        let Some(stay) = self.target.enter(local.severer()) else {
            return local.sever();
        };
        if let Err(error) = self.carry(&mut local, &stay).await {
            local.sever();
            self.target.note_failure(error.to_string());
        }
        drop(stay);
        self.changed();
    }

    /// Opens the tunnel. A refusal is asked about again for a while, ever more seldom: the primary may be
    /// about to admit this node, and the local server would come back only after its whole second.
    /// Given up when the local server has gone.
    async fn open(&self, local: &Socket, target: &UpstreamTarget) -> Result<Stream> {
        let header = serde_json::to_value(&target.hello).unwrap_or(Value::Null);
        let until = Instant::now() + PATIENCE;
        let mut pause = AGAIN;
        loop {
            let opened = self.endpoint.open(
                &target.node,
                target.addr,
                tunnel::SERVICE,
                header.clone(),
                OPEN_LIMIT,
            );
            let error = match opened.await {
                Ok(stream) => return Ok(stream),
                Err(error) => error,
            };
            // Why quiet is waiting: a client says nothing before the server's greeting.
            if self.target.is_cut() || !local.is_quiet() || Instant::now() >= until {
                return Err(error);
            }
            self.target.note_failure(error.to_string());
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(AGAIN_AT_MOST);
        }
    }

    async fn carry(&self, local: &mut Socket, stay: &Stay) -> Result<()> {
        let Some(target) = &self.target.wanted else {
            return Ok(());
        };
        let mut stream = self.open(local, target).await?;
        let lost = |source| Error::Lost {
            peer: target.node.clone(),
            source,
        };
        stream.socket().limit_unacknowledged(STEADY).map_err(lost)?;
        if !stay.connect(stream.severer()) {
            stream.abort();
            return Ok(());
        }
        self.changed();
        let (mut up, mut down) = (
            Arc::clone(&self.target.to_primary),
            Arc::clone(&self.target.from_primary),
        );
        let taps = (
            &mut up as &mut (dyn Tap + Send),
            &mut down as &mut (dyn Tap + Send),
        );
        let piped = pipe(local, &mut stream, taps).await;
        if piped.is_err() {
            stream.abort();
        }
        piped.map_err(lost)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}
