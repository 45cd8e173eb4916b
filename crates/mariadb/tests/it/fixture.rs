//! Servers and tunnels for tests. A data directory is made once per run and copied; every server that a test
//! leaves behind is ended by its identity when the test's `Node` goes.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use mariadb::{Account, Server, Settings, Sql, StartAs, Status};
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::process::Command;
use tokio::sync::{OnceCell, Semaphore, SemaphorePermit, watch};

/// For anything that must not hang a test.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Most servers at once on this machine.
static ROOM: Semaphore = Semaphore::const_new(6);
const TEMPLATE_NAME: &str = "mdb-template-";
static TEMPLATE: OnceCell<TempDir> = OnceCell::const_new();

/// One server with a directory, ports and a tunnel of its own.
pub(crate) struct Node {
    pub(crate) server: Server,
    pub(crate) tunnel: Tunnel,
    pub(crate) dir: TempDir,
    room: Option<SemaphorePermit<'static>>,
}

/// A port that was free a moment ago, below those that the kernel gives to outgoing connections: one
/// of these would otherwise take it before the server does, or while it is down.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id().wrapping_mul(97) + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + (number % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

fn new_dir() -> TempDir {
    named_dir("mdb")
}

fn named_dir(prefix: &str) -> TempDir {
    let dir = tempfile::Builder::new().prefix(prefix).tempdir().unwrap();
    std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    dir
}

/// Settings of a small server in `dir`.
pub(crate) fn settings(dir: &Path, server_id: u32, tunnel_port: u16) -> Settings {
    let options = [
        ("innodb_buffer_pool_size", "32M"),
        ("innodb_log_file_size", "8M"),
        ("max_connections", "60"),
    ];
    Settings {
        database_dir: dir.join("data"),
        state_dir: dir.join("state"),
        server_id,
        port: free_port(),
        extra_port: free_port(),
        user: is_root().then(|| "mysql".to_owned()),
        replication: Account {
            user: "replication".to_owned(),
            password: "only-for-tests-0123456789".to_owned(),
        },
        tunnel_port,
        options: options.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
    }
}

async fn template() -> &'static Path {
    let make = || async {
        sweep();
        let dir = named_dir(&format!("{TEMPLATE_NAME}{}-", std::process::id()));
        let server = Server::new(settings(dir.path(), 1, free_port())).unwrap();
        server.create_data().await.unwrap();
        dir
    };
    TEMPLATE.get_or_init(make).await.path()
}

/// Removes templates of runs that have ended: a static is never dropped.
fn sweep() {
    for entry in std::fs::read_dir(std::env::temp_dir()).unwrap().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let run = name
            .strip_prefix(TEMPLATE_NAME)
            .and_then(|rest| rest.split('-').next());
        if run.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

impl Node {
    /// A node with data that was never started.
    pub(crate) async fn new(server_id: u32) -> Self {
        Self::with(server_id, |_| {}).await
    }

    /// The same with settings changed.
    pub(crate) async fn with(server_id: u32, change: impl FnOnce(&mut Settings)) -> Self {
        let room = ROOM.acquire().await.unwrap();
        Self::make(server_id, change, Some(room)).await
    }

    async fn make(
        server_id: u32,
        change: impl FnOnce(&mut Settings),
        room: Option<SemaphorePermit<'static>>,
    ) -> Self {
        let node = Self::empty(server_id, change, room).await;
        let from = template().await.join("data");
        let copied = Command::new("cp")
            .arg("-a")
            .arg(from)
            .arg(node.dir.path())
            .status();
        assert!(copied.await.unwrap().success());
        node
    }

    /// A node without data.
    pub(crate) async fn empty(
        server_id: u32,
        change: impl FnOnce(&mut Settings),
        room: Option<SemaphorePermit<'static>>,
    ) -> Self {
        let dir = new_dir();
        let tunnel = Tunnel::open().await;
        let mut settings = settings(dir.path(), server_id, tunnel.port);
        change(&mut settings);
        let server = Server::new(settings).unwrap();
        Self {
            server,
            tunnel,
            dir,
            room,
        }
    }

    /// Starts in the ordinary role with our accounts in place.
    pub(crate) async fn start(&self) -> u32 {
        let pid = self.server.start(StartAs::Ordinary, LIMIT).await.unwrap();
        self.server.ensure_accounts().await.unwrap();
        pid
    }

    pub(crate) async fn sql(&self) -> Sql {
        self.server.sql(LIMIT).await.unwrap()
    }

    pub(crate) async fn run(&self, statements: &str) {
        self.sql()
            .await
            .run("test", statements, LIMIT)
            .await
            .unwrap();
    }

    pub(crate) async fn value(&self, statement: &str) -> String {
        self.sql()
            .await
            .value("test", statement, LIMIT)
            .await
            .unwrap()
            .unwrap_or_default()
    }

    pub(crate) async fn status(&self) -> Status {
        self.server.status(LIMIT).await.unwrap()
    }

    /// Opens the server as a primary would be, without semi-sync.
    pub(crate) async fn open(&self) {
        self.server.set_read_only(false, LIMIT).await.unwrap();
    }

    /// Runs a statement in the background, in a session of its own.
    pub(crate) async fn begin(
        &self,
        statement: &'static str,
    ) -> tokio::task::JoinHandle<mariadb::Result<()>> {
        let mut sql = self.sql().await;
        tokio::spawn(async move { sql.run("test", statement, Duration::from_mins(2)).await })
    }

    /// The node as an agent sees it that has just started.
    pub(crate) fn fresh(&self) -> Server {
        Server::new(self.server.settings().clone()).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let server = self.fresh();
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

/// Primary with an open table `test.t` and `replicas` following it through their tunnels.
pub(crate) async fn cluster(replicas: u32, semi_sync: bool) -> Vec<Node> {
    // Why: taken at once, so that two tests cannot block each other half-way.
    let room = ROOM.acquire_many(replicas + 1).await.unwrap();
    let started: Vec<_> = (1..=replicas + 1)
        .map(|id| {
            tokio::spawn(async move {
                let node = Node::make(id, |_| {}, None).await;
                node.start().await;
                node
            })
        })
        .collect();
    let mut nodes = Vec::new();
    for node in started {
        nodes.push(node.await.unwrap());
    }
    nodes[0].room = Some(room);
    let primary = &nodes[0];
    primary.open().await;
    primary.run("CREATE DATABASE test; CREATE TABLE test.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT) ENGINE=InnoDB").await;
    for replica in &nodes[1..] {
        replica.tunnel.lead_to(primary.server.settings().extra_port);
        replica.server.follow(semi_sync, LIMIT).await.unwrap();
    }
    let end = primary.status().await.binlog;
    for replica in &nodes[1..] {
        assert!(replica.server.wait_applied(&end, LIMIT).await.unwrap());
    }
    nodes
}

/// Waits for a condition; panics with `what` when it does not come.
pub(crate) async fn until<F, T>(what: &str, mut condition: F)
where
    F: FnMut() -> T,
    T: Future<Output = bool>,
{
    let deadline = Instant::now() + LIMIT;
    while !condition().await {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A local port that leads to another, or nowhere.
pub(crate) struct Tunnel {
    pub(crate) port: u16,
    target: watch::Sender<Option<u16>>,
}

impl Tunnel {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let port = listener.local_addr().unwrap().port();
        let (target, watched) = watch::channel(None);
        tokio::spawn(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let mut watched = watched.clone();
                let Some(port) = *watched.borrow_and_update() else {
                    continue;
                };
                tokio::spawn(async move {
                    let Ok(mut far) = TcpStream::connect(("127.0.0.1", port)).await else {
                        return;
                    };
                    tokio::select! {
                        _ = copy_bidirectional(&mut near, &mut far) => {}
                        _ = watched.changed() => {}
                    }
                });
            }
        });
        Self { port, target }
    }

    pub(crate) fn lead_to(&self, port: u16) {
        self.target.send_replace(Some(port));
    }

    pub(crate) fn cut(&self) {
        self.target.send_replace(None);
    }
}

/// Options as a map.
pub(crate) fn options(list: &[(&str, &str)]) -> BTreeMap<String, String> {
    list.iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect()
}
