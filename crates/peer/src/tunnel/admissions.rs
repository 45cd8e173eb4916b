//! The primary's side: which replica may connect, as what, and with which data. Nothing is admitted
//! unless it was said so with exactly these words; a cut takes effect before it returns.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::hello::{Hello, Mode};
use super::login::{Finding, LoginWatch};
use super::meter::Meter;
use crate::pipe::{Tap, Until, pipe};
use crate::socket::{STEADY, Severer, Socket};
use crate::{Incoming, Stream};

/// A server that does not accept a local connection in this time is not there.
const LOCAL_LIMIT: Duration = Duration::from_secs(2);
/// A replica's server opens a second connection to end its first; never many.
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
    next: std::sync::atomic::AtomicU64,
}

#[derive(Debug)]
struct Entry {
    admission: Admission,
    tunnels: BTreeMap<u64, Arc<Tunnel>>,
    violations: u64,
    last_violation: Option<String>,
    last_refusal: Option<String>,
}

#[derive(Debug)]
struct Tunnel {
    since: Instant,
    /// Both sockets, once they are there.
    severers: Mutex<Vec<Severer>>,
    cut: AtomicBool,
    connected: AtomicBool,
    announced: AtomicBool,
    dumping: AtomicBool,
    from_replica: Arc<Meter>,
    to_replica: Arc<Meter>,
    over: watch::Sender<bool>,
}

impl Admissions {
    /// An empty list; admitted tunnels lead to this server (its extra port).
    pub fn new(server: SocketAddr) -> Self {
        Self(Arc::new(Inner {
            server,
            nodes: Mutex::default(),
            changes: watch::Sender::new(0),
            next: 0.into(),
        }))
    }

    /// Admits a node. If it was admitted otherwise, its tunnels are cut first; admitting it again with
    /// the same words changes nothing.
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
                // Why an error is fine: the sender is gone only with the tunnel itself.
                let _ = tunnel.over.subscribe().wait_for(|over| *over).await;
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
        if entry.tunnels.len() >= TUNNELS_PER_NODE {
            return Err(format!(
                "`{node}` has {TUNNELS_PER_NODE} tunnels open already"
            ));
        }
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let tunnel = Arc::new(Tunnel::new());
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
        carry(&visit, (stream, local), mode).await;
    }
}

/// Pipes until one side ends, the tunnel is cut, or an async replica says what it must not.
async fn carry(visit: &Visit, (mut stream, mut local): (Stream, Socket), mode: Mode) {
    let tunnel = &visit.tunnel;
    let mut inward = Inspector {
        visit,
        mode,
        watch: Some(LoginWatch::new()),
    };
    let mut outward = Arc::clone(&tunnel.to_replica);
    let taps = (
        &mut inward as &mut (dyn Tap + Send),
        &mut outward as &mut (dyn Tap + Send),
    );
    if pipe(&mut stream, &mut local, taps, Until::EitherEnds)
        .await
        .is_err()
    {
        tunnel.sever();
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

impl Tunnel {
    fn new() -> Self {
        Self {
            since: Instant::now(),
            severers: Mutex::default(),
            cut: false.into(),
            connected: false.into(),
            announced: false.into(),
            dumping: false.into(),
            from_replica: Arc::default(),
            to_replica: Arc::default(),
            over: watch::Sender::new(false),
        }
    }

    fn severers(&self) -> MutexGuard<'_, Vec<Severer>> {
        self.severers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a socket; severs it when the tunnel was cut before.
    fn attach(&self, severer: Severer) {
        let mut severers = self.severers();
        if self.cut.load(Ordering::Acquire) {
            severer.sever();
        }
        severers.push(severer);
    }

    fn sever(&self) {
        let severers = self.severers();
        self.cut.store(true, Ordering::Release);
        severers.iter().for_each(Severer::sever);
    }
}

/// A tunnel's stay; when it is dropped the tunnel is over and off the list.
struct Visit {
    inner: Arc<Inner>,
    node: String,
    id: u64,
    tunnel: Arc<Tunnel>,
}

impl Drop for Visit {
    fn drop(&mut self) {
        if let Some(entry) = self.inner.nodes().get_mut(&self.node) {
            entry.tunnels.remove(&self.id);
        }
        self.tunnel.over.send_replace(true);
        self.inner.changed();
    }
}

/// Counts what the replica sends and watches over its login.
struct Inspector<'a> {
    visit: &'a Visit,
    mode: Mode,
    /// Until there is nothing more to learn.
    watch: Option<LoginWatch>,
}

impl Tap for Inspector<'_> {
    fn pass(&mut self, chunk: &[u8]) -> io::Result<()> {
        let tunnel = &self.visit.tunnel;
        tunnel.from_replica.add(chunk.len());
        let Some(watch) = &mut self.watch else {
            return Ok(());
        };
        let finding = watch.feed(chunk);
        let dumping = watch.is_dumping();
        tunnel
            .announced
            .store(watch.has_announced(), Ordering::Relaxed);
        if self.mode == Mode::Async && finding != Finding::Nothing {
            return Err(self.violation(finding));
        }
        if dumping && !tunnel.dumping.swap(true, Ordering::Relaxed) {
            self.visit.inner.changed();
        }
        // Why: of a sync replica only the announcement is of interest; its acknowledgements are
        // too many to read.
        let learned = dumping || matches!(finding, Finding::Acknowledges | Finding::Unreadable(_));
        if self.mode == Mode::Sync && learned {
            self.watch = None;
        }
        Ok(())
    }
}

impl Inspector<'_> {
    fn violation(&self, finding: Finding) -> io::Error {
        let reason = match finding {
            Finding::Announces => "an async replica announced semi-sync",
            Finding::Acknowledges => "an async replica acknowledged a transaction",
            Finding::Unreadable(reason) => reason,
            Finding::Nothing => "nothing",
        };
        let node = &self.visit.node;
        tracing::warn!(node, "replication tunnel cut: {reason}");
        self.visit.inner.note(node, |entry| {
            entry.violations += 1;
            entry.last_violation = Some(reason.to_owned());
        });
        io::Error::new(io::ErrorKind::InvalidData, reason)
    }
}
