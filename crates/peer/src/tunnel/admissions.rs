//! The primary's side: which replica may connect, as what, and with which data. Nothing is admitted
//! unless it was said so with exactly these words; a cut takes effect before it returns.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::hello::{Hello, Mode};
use super::passage::Passage;
use crate::Incoming;
use crate::socket::{STEADY, Socket};
use crate::throttle::Throttle;

/// A server that does not accept a local connection in this time is not there.
const LOCAL_LIMIT: Duration = Duration::from_secs(2);
/// A replica's server opens a second connection to end its first; never many. Beyond it the oldest is cut.
const TUNNELS_PER_NODE: usize = 4;

/// What a node is admitted as: exactly what its tunnel must say.
pub type Admission = Hello;

/// An admitted node, as it is now.
#[derive(Debug, Clone)]
pub struct AdmissionState {
    /// As what it is admitted.
    pub admission: Admission,
    /// Since when its oldest open tunnel is connected.
    pub connected: Option<Instant>,
    /// Whether its server announced itself as a semi-sync replica in an open tunnel.
    pub announced: bool,
    /// Whether its server asked for the binlog in an open tunnel.
    pub dumping: bool,
    /// When the replica's server last sent something (acknowledgements, when sync).
    pub last_from_replica: Option<Instant>,
    /// When the local server last sent something (events and its heartbeats).
    pub last_to_replica: Option<Instant>,
    /// Bytes from and to the replica in the open tunnels.
    pub bytes: (u64, u64),
    /// Tunnels cut because an async replica announced semi-sync, acknowledged, or could not be read.
    pub violations: u64,
    /// The last violation.
    pub last_violation: Option<String>,
    /// The last reason why a tunnel of this node was refused.
    pub last_refusal: Option<String>,
}

/// The allow-list and its tunnels. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Admissions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    server: SocketAddr,
    nodes: Mutex<BTreeMap<String, Entry>>,
    changes: watch::Sender<u64>,
    throttle: Throttle,
    next: std::sync::atomic::AtomicU64,
}

#[derive(Debug)]
struct Entry {
    admission: Admission,
    tunnels: BTreeMap<u64, Arc<Passage>>,
    violations: u64,
    last_violation: Option<String>,
    last_refusal: Option<String>,
}

impl Admissions {
    /// An empty list; admitted tunnels lead to this server (its extra port).
    pub fn new(server: SocketAddr) -> Self {
        Self(Arc::new(Inner {
            server,
            nodes: Mutex::default(),
            changes: watch::Sender::new(0),
            throttle: Throttle::default(),
            next: 0.into(),
        }))
    }

    /// Admits a node. If it was admitted otherwise, its tunnels are cut first; admitting it again with
    /// the same words changes nothing.
    ///
    /// After a cut and a new admission as sync, commit something that goes to the binlog: MariaDB 10.11.19
    /// does not resend a transaction that the replica holds already, and a commit whose acknowledgement
    /// was cut off waits until a later one is acknowledged (seen in GTID mode).
    pub async fn admit(&self, node: &str, admission: Admission) {
        let same = self
            .0
            .nodes()
            .get(node)
            .is_some_and(|entry| entry.admission == admission);
        if same {
            return;
        }
        self.cut(node).await;
        let entry = Entry {
            admission,
            tunnels: BTreeMap::new(),
            violations: 0,
            last_violation: None,
            last_refusal: None,
        };
        self.0.nodes().insert(node.to_owned(), entry);
        self.0.changed();
    }

    /// Takes the node off the list and cuts its tunnels. When this returns, nothing of them reaches the
    /// local server any more. The sockets are severed before the first await: dropping the future
    /// loses only the waiting.
    pub fn cut(&self, node: &str) -> impl Future<Output = ()> + Send + use<> {
        let entry = self.0.nodes().remove(node);
        self.finish(entry.as_slice())
    }

    /// Takes all nodes off the list, as [`Admissions::cut`] does.
    pub fn cut_all(&self) -> impl Future<Output = ()> + Send + use<> {
        let entries = std::mem::take(&mut *self.0.nodes());
        self.finish(&entries.into_values().collect::<Vec<_>>())
    }

    fn finish(&self, entries: &[Entry]) -> impl Future<Output = ()> + Send + use<> {
        let tunnels: Vec<_> = entries
            .iter()
            .flat_map(|entry| entry.tunnels.values().cloned())
            .collect();
        for tunnel in &tunnels {
            tunnel.sever();
        }
        if !entries.is_empty() {
            self.0.changed();
        }
        async move {
            for tunnel in tunnels {
                tunnel.wait_for_end().await;
            }
        }
    }

    /// Every admitted node, as it is now.
    pub fn snapshot(&self) -> BTreeMap<String, AdmissionState> {
        let nodes = self.0.nodes();
        nodes
            .iter()
            .map(|(node, entry)| (node.clone(), entry.state()))
            .collect()
    }

    /// Changes whenever a node is admitted or cut, and a tunnel connects, ends, announces or is refused.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// Serves an incoming tunnel until it ends; refuses it when it is not exactly what is admitted.
    pub async fn take(&self, incoming: Incoming) {
        let node = incoming.from.clone();
        let entered = Hello::parse(incoming.header.clone())
            .and_then(|hello| self.enter(&node, &hello).map(|tunnel| (tunnel, hello.mode)));
        match entered {
            Ok((visit, mode)) => self.serve(incoming, visit, mode).await,
            Err(reason) => {
                self.0
                    .note(&node, |entry| entry.last_refusal = Some(reason.clone()));
                incoming.refuse(reason).await;
            }
        }
    }

    /// Checks and registers in one step, so that a cut in between meets either no tunnel or this one.
    fn enter(&self, node: &str, hello: &Hello) -> Result<Visit, String> {
        let mut nodes = self.0.nodes();
        let entry = nodes
            .get_mut(node)
            .ok_or_else(|| format!("`{node}` is not admitted"))?;
        if let Some(difference) = hello.differs_from(&entry.admission) {
            return Err(difference);
        }
        let open = || entry.tunnels.values().filter(|tunnel| !tunnel.is_cut());
        if open().count() >= TUNNELS_PER_NODE {
            // Why the oldest: it is what a network that came back left behind.
            open().take(1).for_each(|oldest| oldest.sever());
        }
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let tunnel = Arc::new(Passage::new());
        entry.tunnels.insert(id, Arc::clone(&tunnel));
        Ok(Visit {
            inner: Arc::clone(&self.0),
            node: node.to_owned(),
            id,
            tunnel,
        })
    }

    async fn serve(&self, incoming: Incoming, visit: Visit, mode: Mode) {
        visit.tunnel.attach(incoming.stream.severer());
        let local = match Socket::connect(self.0.server, LOCAL_LIMIT).await {
            Ok(local) => local,
            Err(error) => {
                let reason = format!("the server does not accept connections: {error}");
                self.0.note(&visit.node, |entry| {
                    entry.last_refusal = Some(reason.clone());
                });
                return incoming.refuse(reason).await;
            }
        };
        visit.tunnel.attach(local.severer());
        let _ = incoming.stream.socket().limit_unacknowledged(STEADY);
        let Ok(stream) = incoming.accept().await else {
            return;
        };
        visit.tunnel.connected.store(true, Ordering::Release);
        self.0.changed();
        let changed = || self.0.changed();
        let carried = visit.tunnel.carry((stream, local), mode, &changed).await;
        if let Err(reason) = carried {
            self.0.note_violation(&visit.node, reason);
        }
    }
}

impl Inner {
    fn nodes(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.nodes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn changed(&self) {
        self.changes.send_modify(|count| *count += 1);
    }

    fn note(&self, node: &str, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.nodes().get_mut(node) {
            change(entry);
        }
        self.changed();
    }

    fn note_violation(&self, node: &str, reason: &'static str) {
        self.note(node, |entry| {
            entry.violations += 1;
            entry.last_violation = Some(reason.to_owned());
        });
        // Why throttled: the replica's server comes back every second.
        if let Some(swallowed) = self.throttle.pass(Instant::now()) {
            tracing::warn!(node, swallowed, "replication tunnel cut: {reason}");
        }
    }
}

impl Entry {
    fn state(&self) -> AdmissionState {
        let open = || {
            self.tunnels
                .values()
                .filter(|tunnel| tunnel.connected.load(Ordering::Acquire))
        };
        AdmissionState {
            admission: self.admission.clone(),
            connected: open().map(|tunnel| tunnel.since).min(),
            announced: open().any(|tunnel| tunnel.announced.load(Ordering::Relaxed)),
            dumping: open().any(|tunnel| tunnel.dumping.load(Ordering::Relaxed)),
            last_from_replica: open().filter_map(|tunnel| tunnel.from_replica.last()).max(),
            last_to_replica: open().filter_map(|tunnel| tunnel.to_replica.last()).max(),
            bytes: (
                open().map(|tunnel| tunnel.from_replica.bytes()).sum(),
                open().map(|tunnel| tunnel.to_replica.bytes()).sum(),
            ),
            violations: self.violations,
            last_violation: self.last_violation.clone(),
            last_refusal: self.last_refusal.clone(),
        }
    }
}

/// A tunnel's stay; when it is dropped the tunnel is over and off the list.
struct Visit {
    inner: Arc<Inner>,
    node: String,
    id: u64,
    tunnel: Arc<Passage>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(entry) = self.inner.nodes().get_mut(&self.node) {
            entry.tunnels.remove(&self.id);
        }
        self.tunnel.end();
        self.inner.changed();
    }
}
