//! A node with a server, an endpoint and a keeper; what it leaves behind is ended when it goes.

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cluster::{Change, ChangeKind, Member, MemberKind, Position, Timing, View};
use keeper::{Handle, Keeper, Parts, State};
use mariadb::{Account, Server, Settings};
use peer::tunnel::{self, Admissions, Upstream};
use peer::{Authority, Config, Endpoint, Handler, Incoming, JoinOffer, Listener, Refusal};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::register::Memory;

pub(crate) const LIMIT: Duration = Duration::from_secs(40);

pub(crate) struct Node {
    pub(crate) server: Server,
    pub(crate) handle: Handle,
    pub(crate) register: Memory,
    address: SocketAddr,
    number: u32,
    name: String,
    run: Option<JoinHandle<keeper::Result<()>>>,
    stop: watch::Sender<bool>,
    _listener: Listener,
    _dir: TempDir,
}

struct Reception {
    keeper: Arc<OnceLock<Handle>>,
    server: Server,
    admissions: Arc<Admissions>,
}

#[async_trait]
impl Handler for Reception {
    async fn call(&self, from: &str, service: &str, request: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        assert_eq!(service, keeper::SERVICE);
        let keeper = self.keeper.get().ok_or(Refusal("it starts".into()))?;
        Ok(keeper.call(&from.parse().unwrap(), &request).await)
    }

    async fn stream(&self, incoming: Incoming) {
        match (incoming.service.as_str(), self.keeper.get()) {
            (tunnel::SERVICE, _) => self.admissions.take(incoming).await,
            (keeper::CLONE_SERVICE, Some(keeper)) => {
                keeper.serve_clone(&self.server, incoming).await;
            }
            _ => incoming.refuse("no such service").await,
        }
    }

    async fn join(&self, _: JoinOffer) -> Result<Value, Refusal> {
        Err("nobody joins here".into())
    }
}

/// A free port below those that the kernel gives to outgoing connections.
fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id() * 97 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + (number % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn settings(dir: &TempDir, server_id: u32) -> Settings {
    let options = [
        ("innodb_buffer_pool_size", "32M"),
        ("innodb_log_file_size", "8M"),
        ("performance_schema", "OFF"),
    ];
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|of| {
        use std::os::unix::fs::MetadataExt;
        of.uid() == 0
    });
    Settings {
        database_dir: dir.path().join("db"),
        state_dir: dir.path().join("state"),
        server_id,
        port: free_port(),
        extra_port: free_port(),
        user: is_root.then(|| "mysql".to_owned()),
        replication: Account {
            user: "replication".to_owned(),
            password: "only-for-tests-0123456789".to_owned(),
        },
        tunnel_port: free_port(),
        options: options.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
    }
}

impl Node {
    /// A node that is no member yet. A founder has data and has written the first document.
    pub(crate) async fn new(
        authority: &Authority,
        register: Memory,
        number: u32,
        founds: bool,
    ) -> (Self, Keeper) {
        let name = ["", "alpha", "bravo", "charlie"][number as usize];
        let dir = tempfile::Builder::new().prefix("kpr").tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let server = Server::new(settings(&dir, number)).unwrap();
        let identity = Arc::new(authority.enroll(name).unwrap());
        let endpoint = Endpoint::new(identity, Config::default()).unwrap();
        let local = |port| SocketAddr::from(([127, 0, 0, 1], port));
        let admissions = Arc::new(Admissions::new(local(server.settings().extra_port)));
        let upstream = Upstream::new(endpoint.clone(), local(server.settings().tunnel_port));
        let slot = Arc::new(OnceLock::new());
        let reception = Reception {
            keeper: Arc::clone(&slot),
            server: server.clone(),
            admissions: Arc::clone(&admissions),
        };
        let listener = endpoint
            .listen(local(0), Arc::new(reception))
            .await
            .unwrap();
        let address = listener.local_addr();
        let state = if founds {
            server.create_data().await.unwrap();
            State::founder().unwrap()
        } else {
            State::fresh().unwrap()
        };
        state.save(dir.path()).unwrap();
        if founds {
            let shared: Arc<dyn ledger::Register> = Arc::new(register.clone());
            let member = member(address, number);
            keeper::found(shared, name.parse().unwrap(), member, state.data)
                .await
                .unwrap();
        }
        let parts = Parts {
            me: name.parse().unwrap(),
            cluster: "test".into(),
            state_dir: dir.path().into(),
            server: Some(server.clone()),
            register: Arc::new(register.clone()),
            endpoint: Arc::new(endpoint),
            upstream: Some(Arc::new(upstream)),
            admissions,
            timing: Timing::default(),
        };
        let (keeper, handle) = Keeper::new(parts).await.unwrap();
        slot.set(handle.clone()).ok();
        let node = Self {
            server,
            handle,
            register,
            address,
            number,
            name: name.to_owned(),
            run: None,
            stop: watch::Sender::new(false),
            _listener: listener,
            _dir: dir,
        };
        (node, keeper)
    }

    pub(crate) fn run(&mut self, keeper: Keeper) {
        self.run = Some(tokio::spawn(keeper.run(self.stop.subscribe())));
    }

    /// Makes it a member.
    pub(crate) fn join(&self) {
        let mut next = self.register.document().bumped();
        let name = self.name.parse().unwrap();
        next.members.insert(name, member(self.address, self.number));
        self.register.put(&next);
    }

    pub(crate) fn view(&self) -> View {
        self.handle.picture().borrow().view.clone()
    }

    /// Waits until the picture is so; returns how long it took.
    pub(crate) async fn until(&self, what: &str, so: impl Fn(&View) -> bool) -> Duration {
        let (start, mut picture) = (Instant::now(), self.handle.picture());
        let waited =
            tokio::time::timeout(LIMIT, picture.wait_for(|picture| so(&picture.view))).await;
        assert!(
            waited.is_ok(),
            "{}: never {what}: {:?}",
            self.name,
            self.view()
        );
        start.elapsed()
    }

    pub(crate) async fn value(&self, statement: &str) -> String {
        let mut sql = self.server.sql(LIMIT).await.unwrap();
        let value = sql.value("test", statement, LIMIT).await.unwrap();
        value.unwrap_or_default()
    }

    /// Waits until the statement gives this value.
    pub(crate) async fn until_value(&self, statement: &str, wanted: &str) {
        let start = Instant::now();
        while self.value(statement).await != wanted {
            assert!(start.elapsed() < LIMIT, "{:?}", self.view().server);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    pub(crate) async fn write(&self, statement: &str) {
        let mut sql = self.server.sql(LIMIT).await.unwrap();
        sql.run("test", statement, LIMIT).await.unwrap();
    }
}

fn member(address: SocketAddr, number: u32) -> Member {
    Member {
        address: address.to_string(),
        number,
        kind: MemberKind::Data,
        far: false,
        priority: 0,
    }
}

/// A primary and a member in sync, over one register.
pub(crate) async fn pair() -> (Node, Node) {
    let authority = Authority::create("test").unwrap();
    let register = Memory::new();
    let (mut alpha, keeper) = Node::new(&authority, register.clone(), 1, true).await;
    alpha.run(keeper);
    alpha.until("serves", |view| view.serving().is_some()).await;
    let (mut bravo, keeper) = Node::new(&authority, register.handle(), 2, false).await;
    bravo.join();
    bravo.run(keeper);
    (alpha, bravo)
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(run) = self.run.take() {
            run.abort();
        }
        let server = Server::new(self.server.settings().clone()).unwrap();
        let end = move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(async { server.kill(LIMIT).await.map(drop) })
        };
        let _ = std::thread::spawn(end).join();
    }
}

/// Names of the members in sync.
pub(crate) fn in_sync(view: &View) -> Vec<String> {
    let stamps = view.document.as_ref().map(|document| &document.in_sync);
    stamps
        .unwrap_or(&BTreeMap::new())
        .keys()
        .map(ToString::to_string)
        .collect()
}

/// A pair that is protected and has an empty table `shop.t`.
pub(crate) async fn shop() -> (Node, Node) {
    let (alpha, bravo) = pair().await;
    alpha
        .until("protected", |view| in_sync(view) == ["bravo"])
        .await;
    alpha
        .write("CREATE DATABASE shop; CREATE TABLE shop.t (i INT PRIMARY KEY)")
        .await;
    // In sync is received, not applied.
    let tables = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'shop'";
    bravo.until_value(tables, "1").await;
    (alpha, bravo)
}

/// The operator's word, as if it had been given elsewhere: `to` is primary, from `end` on.
pub(crate) fn force(register: &Memory, to: &Node, end: Position) {
    let change = Change {
        kind: ChangeKind::Forced,
        from: "alpha".parse().unwrap(),
        to: "bravo".parse().unwrap(),
        at: 0,
        reason: "a test".into(),
    };
    let document = register.document();
    register.put(&document.with_primary(to.view().data, end, change));
}
