//! The replica's side: a local port to which its server's replication thread connects, open only while
//! there is a primary to follow. Without a target the port is closed and its connections are reset,
//! so that stopping the thread does not wait for a silent primary.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

use super::hello::Hello;
use super::meter::Meter;
use crate::pipe::{Tap, Until, pipe};
use crate::socket::{STEADY, Severer, Socket};
use crate::{Endpoint, Error, Result, Stream, tunnel};

/// Opening a tunnel takes no longer, else the local connection is reset and the server tries again.
const OPEN_LIMIT: Duration = Duration::from_secs(5);
/// For how long a refused tunnel is asked for again, and how soon each time.
const PATIENCE: Duration = Duration::from_secs(4);
const AGAIN: Duration = Duration::from_millis(30);
/// Local connections at the same time; a server makes one, or two.
const CONNECTIONS: usize = 8;
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
    shared: Mutex<Arc<Shared>>,
    changes: watch::Sender<u64>,
}

/// What one target's tasks and readers share.
#[derive(Debug, Default)]
struct Shared {
    target: Option<UpstreamTarget>,
    from_primary: Arc<Meter>,
    to_primary: Arc<Meter>,
    links: Mutex<Links>,
}

#[derive(Debug, Default)]
struct Links {
    next: u64,
    open: Vec<Link>,
    cut: bool,
    last_refusal: Option<(Instant, String)>,
}

#[derive(Debug)]
struct Link {
    id: u64,
    severers: Vec<Severer>,
    connected: Option<Instant>,
}

struct Running {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Upstream {
    /// A closed port at this local address.
    pub fn new(endpoint: Endpoint, listen: SocketAddr) -> Self {
        Self {
            endpoint,
            listen,
            running: tokio::sync::Mutex::default(),
            shared: Mutex::default(),
            changes: watch::Sender::new(0),
        }
    }

    /// Sets or removes the target. When it returns the old target's connections have been reset, and
    /// the port is open for the new one, or closed when there is none. The same target again changes
    /// nothing. Fails only when the port cannot be opened; it is closed then.
    pub async fn set(&self, target: Option<UpstreamTarget>) -> Result<()> {
        let mut running = self.running.lock().await;
        if running.as_ref().map(|running| &running.shared.target) == Some(&target) {
            return Ok(());
        }
        if let Some(mut old) = running.take() {
            old.shared.sever_all();
            old.task.abort();
            self.publish(Shared::default());
            // Why: the port is closed for certain only when its task is gone.
            let _ = (&mut old.task).await;
        }
        let Some(target) = target else { return Ok(()) };
        let failed = |source| Error::Listen {
            addr: self.listen,
            source,
        };
        let listener = TcpListener::bind(self.listen).await.map_err(failed)?;
        let shared = self.publish(Shared {
            target: Some(target),
            ..Shared::default()
        });
        let port = Port {
            endpoint: self.endpoint.clone(),
            shared: Arc::clone(&shared),
            changes: self.changes.clone(),
        };
        let task = tokio::spawn(accept(listener, Arc::new(port)));
        *running = Some(Running { shared, task });
        Ok(())
    }

    fn publish(&self, shared: Shared) -> Arc<Shared> {
        let shared = Arc::new(shared);
        *self.shared.lock().unwrap_or_else(PoisonError::into_inner) = Arc::clone(&shared);
        self.changes.send_modify(|count| *count += 1);
        shared
    }

    /// The present state.
    pub fn state(&self) -> UpstreamState {
        let shared = Arc::clone(&self.shared.lock().unwrap_or_else(PoisonError::into_inner));
        let links = shared.links();
        UpstreamState {
            target: shared.target.clone(),
            connected: links.open.iter().filter_map(|link| link.connected).min(),
            bytes: (shared.from_primary.bytes(), shared.to_primary.bytes()),
            last_from_primary: shared.from_primary.last(),
            last_refusal: links.last_refusal.clone(),
        }
    }

    /// Changes whenever the target changes and a tunnel connects, ends or is refused.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.sever_all();
        self.task.abort();
    }
}

impl Shared {
    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sever_all(&self) {
        let mut links = self.links();
        links.cut = true;
        links
            .open
            .iter()
            .flat_map(|link| &link.severers)
            .for_each(Severer::sever);
    }

    /// Enters a local connection, if there is room and the target still stands.
    fn enter(self: &Arc<Self>, severer: Severer) -> Option<Stay> {
        let mut links = self.links();
        if links.cut || links.open.len() >= CONNECTIONS {
            return None;
        }
        let id = links.next;
        links.next += 1;
        links.open.push(Link {
            id,
            severers: vec![severer],
            connected: None,
        });
        Some(Stay {
            shared: Arc::clone(self),
            id,
        })
    }
}

/// A local connection's stay on the list.
struct Stay {
    shared: Arc<Shared>,
    id: u64,
}

impl Stay {
    /// The tunnel is there. `false`: the target was taken away meanwhile.
    fn connect(&self, severer: Severer) -> bool {
        let mut links = self.shared.links();
        let cut = links.cut;
        if let Some(link) = links.open.iter_mut().find(|link| link.id == self.id) {
            link.severers.push(severer);
            link.connected = Some(Instant::now());
        }
        !cut
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.shared.links().open.retain(|link| link.id != self.id);
    }
}

struct Port {
    endpoint: Endpoint,
    shared: Arc<Shared>,
    changes: watch::Sender<u64>,
}

async fn accept(listener: TcpListener, port: Arc<Port>) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, _)) => { links.spawn(Arc::clone(&port).serve(tcp)); }
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = links.join_next() => {}
        }
    }
}

impl Port {
    async fn serve(self: Arc<Self>, tcp: TcpStream) {
        let Ok(mut local) = Socket::new(tcp, STEADY) else {
            return;
        };
        let Some(stay) = self.shared.enter(local.severer()) else {
            return local.sever();
        };
        if let Err(error) = self.carry(&mut local, &stay).await {
            local.sever();
            // Why: a cut by this side is no news of the other.
            if !self.shared.links().cut {
                self.shared.links().last_refusal = Some((Instant::now(), error.to_string()));
            }
        }
        drop(stay);
        self.changed();
    }

    /// Opens the tunnel. A refusal is asked about again for a while: the primary may be about to admit
    /// this node, and the local server would come back only after its whole second.
    async fn open(&self, target: &UpstreamTarget) -> Result<Stream> {
        let header = serde_json::to_value(&target.hello).unwrap_or(Value::Null);
        let until = Instant::now() + PATIENCE;
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
            if self.shared.links().cut || Instant::now() >= until {
                return Err(error);
            }
            self.shared.links().last_refusal = Some((Instant::now(), error.to_string()));
            tokio::time::sleep(AGAIN).await;
        }
    }

    async fn carry(&self, local: &mut Socket, stay: &Stay) -> Result<()> {
        let Some(target) = &self.shared.target else {
            return Ok(());
        };
        let mut stream = self.open(target).await?;
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
            Arc::clone(&self.shared.to_primary),
            Arc::clone(&self.shared.from_primary),
        );
        let taps = (
            &mut up as &mut (dyn Tap + Send),
            &mut down as &mut (dyn Tap + Send),
        );
        let piped = pipe(local, &mut stream, taps, Until::EitherEnds).await;
        if piped.is_err() {
            stream.abort();
        }
        piped.map_err(lost)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }
}
