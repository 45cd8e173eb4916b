//! A gateway in this process, before some servers, with a route that the test commands.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use sql_gateway::{
    Accounts, Address, Config, Dial, Gateway, Handle, Lease, Progress, Proof, Replicas, Route,
    Sealed, Target, Tls,
};
use tokio::sync::watch;

use crate::sealed::{self, Cut};
use crate::server::Server;

/// Two servers that live as long as the tests do; nobody kills these.
pub(crate) fn pair() -> &'static [Server; 2] {
    static PAIR: OnceLock<[Server; 2]> = OnceLock::new();
    PAIR.get_or_init(|| [Server::start("a"), Server::start("b")])
}

#[derive(Default)]
struct Ports {
    servers: Mutex<HashMap<String, (u16, PathBuf)>>,
    /// What ends the streams that were dialled.
    cuts: Mutex<Vec<Cut>>,
}

#[async_trait::async_trait]
impl Dial for Ports {
    /// `b` is as far as another node's server: only [`Dial::dial`] reaches it.
    fn direct(&self, _route: &Route, node: &str, is_safe: bool) -> Option<Address> {
        let (port, socket) = self.servers.lock().unwrap().get(node).cloned()?;
        match node {
            "b" => None,
            // The own server of a node that is a replica.
            "own" => Some(Address::Unix(socket)),
            // Not all: what a frozen server has been sent by a socket that is closed then, it does not always run.
            "a" if is_safe => Some(Address::Unix(socket)),
            _ => Some(Address::Tcp(([127, 0, 0, 1], port).into())),
        }
    }

    async fn dial(&self, _route: &Route, node: &str) -> io::Result<Sealed> {
        let known = self.servers.lock().unwrap().get(node).cloned();
        let (port, _) = known.ok_or(io::ErrorKind::NotFound)?;
        let (sealed, cut) = sealed::stream_to(port).await?;
        self.cuts.lock().unwrap().push(cut);
        Ok(sealed)
    }
}

use sql_gateway::Outcomes;
use wire::catalog::{Catalog, Object, View};
use wire::outcome::{Outcome, Question};

/// What is said of writes in flight: the answers in their order, an error for `None`, unknown when there are no more.
#[derive(Default)]
pub(crate) struct Answers {
    pub(crate) given: Mutex<Vec<Option<Outcome>>>,
    /// The epoch asked, the epoch in which it was sent, and the question.
    pub(crate) asked: Mutex<Vec<(u64, u64, Question)>>,
}

#[async_trait::async_trait]
impl Outcomes for Answers {
    async fn outcome(&self, route: &Route, sent: u64, question: &Question) -> io::Result<Outcome> {
        let mut asked = self.asked.lock().unwrap();
        asked.push((route.epoch, sent, question.clone()));
        let mut given = self.given.lock().unwrap();
        if given.is_empty() {
            return Ok(Outcome::Unknown("not said".to_owned()));
        }
        given.remove(0).ok_or_else(|| io::Error::other("not now"))
    }
}

/// An account table that can be changed.
#[derive(Default)]
pub(crate) struct Table {
    pub(crate) users: Mutex<HashMap<String, Vec<Proof>>>,
    pub(crate) stale: Mutex<Vec<String>>,
    pub(crate) strong: Mutex<Vec<String>>,
}

impl Accounts for Table {
    fn proofs(&self, user: &str) -> Vec<Proof> {
        self.users
            .lock()
            .unwrap()
            .get(user)
            .cloned()
            .unwrap_or_default()
    }

    fn too_strong(&self, _user: &str) -> Vec<String> {
        self.strong.lock().unwrap().clone()
    }

    fn may_come_by_socket(&self, user: &str) -> bool {
        let proofs = self.proofs(user);
        !proofs.is_empty() && proofs.iter().all(|proof| proof.plugin != "unix_socket")
    }

    fn stale(&self, user: &str) {
        self.stale.lock().unwrap().push(user.to_owned());
    }
}

pub(crate) fn proof(plugin: &str, native_hash: Option<&str>) -> Vec<Proof> {
    let native_hash = native_hash.map(|hash| wire::native::parse_stored(hash).unwrap());
    vec![Proof {
        host: "localhost".to_owned(),
        plugin: plugin.to_owned(),
        native_hash,
    }]
}

/// `PASSWORD('pw')`.
pub(crate) const PW: &str = "*D821809F681A40A6E379B50D0463EFAE20BDD122";

/// A running gateway.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    /// Of all listeners.
    pub(crate) addresses: Vec<SocketAddr>,
    pub(crate) handle: Handle,
    pub(crate) table: Arc<Table>,
    pub(crate) answers: Arc<Answers>,
    ports: Arc<Ports>,
    route: watch::Sender<Route>,
    pub(crate) lease: Lease,
    shutdown: watch::Sender<bool>,
    task: Option<tokio::task::JoinHandle<()>>,
}

impl World {
    /// A gateway with the default limits, routed to nobody.
    pub(crate) fn new() -> Self {
        Self::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Self {
        Self::encrypting(config, None)
    }

    /// The same, with a certificate; more listeners than the first are those of `config`.
    pub(crate) fn encrypting(mut config: Config, tls: Option<Tls>) -> Self {
        config.listen.insert(0, "127.0.0.1:0".parse().unwrap());
        config.threads = 2;
        let table = Arc::new(Table::default());
        for (user, proofs) in [
            ("app", proof("mysql_native_password", Some(PW))),
            ("empty", proof("mysql_native_password", None)),
            ("sock", proof("unix_socket", None)),
            ("root", proof("unix_socket", None)),
            ("ed", proof("ed25519", None)),
        ] {
            table.users.lock().unwrap().insert(user.to_owned(), proofs);
        }
        let ports = Arc::new(Ports::default());
        let (route, follows) = watch::channel(Route::default());
        let (shutdown, ends) = watch::channel(false);
        let gateway = Gateway::new(
            config,
            follows,
            Arc::clone(&ports) as _,
            Arc::clone(&table) as _,
        )
        .unwrap();
        let answers = Arc::new(Answers::default());
        let mut gateway = gateway.asking(Arc::clone(&answers) as _);
        if let Some(tls) = tls {
            gateway = gateway.encrypting(tls);
        }
        let (addresses, handle) = (gateway.local_addresses(), gateway.handle());
        let task = Some(tokio::spawn(gateway.run(ends)));
        Self {
            address: addresses[0],
            addresses,
            handle,
            table,
            answers,
            ports,
            route,
            lease: Lease::default(),
            shutdown,
            task,
        }
    }

    /// Before the shared pair, routed to `a` with epoch 1.
    pub(crate) fn before_pair() -> Self {
        let world = Self::new();
        world.knows("a", &pair()[0]);
        world.knows("b", &pair()[1]);
        world.route(1, Some("a"));
        world
    }

    pub(crate) fn knows(&self, node: &str, server: &Server) {
        self.ports
            .servers
            .lock()
            .unwrap()
            .insert(node.to_owned(), (server.port, server.socket.clone()));
    }

    /// Ends all streams to nodes that are not this one, as when their node is removed.
    pub(crate) fn cut(&self) {
        self.ports.cuts.lock().unwrap().drain(..).for_each(Cut::cut);
    }

    pub(crate) fn route(&self, epoch: u64, node: Option<&str>) {
        let target = node.map(|node| Target {
            node: node.to_owned(),
        });
        self.route.send_replace(Route {
            epoch,
            target,
            hold: false,
            lease: self.lease.clone(),
            behind: sql_gateway::Behind::default(),
            replicas: sql_gateway::Replicas::default(),
        });
    }

    /// The same with a replica that is known to have applied nothing, and not to lag.
    pub(crate) fn route_with(&self, epoch: u64, node: &str, replica: &str) -> Replicas {
        let replicas = Replicas::of([replica.to_owned()]);
        replicas.tell(vec![Progress {
            lag: Some(Duration::ZERO),
            ..Progress::default()
        }]);
        self.route.send_replace(Route {
            epoch,
            target: Some(Target {
                node: node.to_owned(),
            }),
            hold: false,
            lease: self.lease.clone(),
            behind: sql_gateway::Behind::default(),
            replicas: replicas.clone(),
        });
        replicas
    }

    /// Keeps the gateway told what the names of this server mean, for as long as the runtime lives.
    pub(crate) fn teach(&self, server: &Server) {
        let lexicon = self.handle.lexicon();
        let options = OptsBuilder::default()
            .socket(server.socket.to_str())
            .user(Some(if rustix::process::geteuid().is_root() {
                "root"
            } else {
                "mysql"
            }));
        tokio::spawn(async move {
            let mut conn = Conn::new(options).await.unwrap();
            loop {
                let reading = lexicon.begin();
                lexicon.know(&reading, &Arc::new(names(&mut conn).await));
                let _ = tokio::time::timeout(Duration::from_millis(200), lexicon.wanted()).await;
            }
        });
    }

    /// Routes to `node` in the next epoch, and returns when the gateway follows.
    pub(crate) async fn switch(&self, node: Option<&str>) {
        let epoch = self.route.borrow().epoch + 1;
        self.route(epoch, node);
        eventually("the gateway follows", || self.handle.stats().epoch == epoch).await;
    }

    pub(crate) async fn connect(&self) -> Conn {
        self.connect_as("app", "pw").await.unwrap()
    }

    pub(crate) async fn connect_as(&self, user: &str, password: &str) -> mysql_async::Result<Conn> {
        self.connect_at(self.address, user, password).await
    }

    /// By the listener at this address.
    pub(crate) async fn connect_at(
        &self,
        address: SocketAddr,
        user: &str,
        password: &str,
    ) -> mysql_async::Result<Conn> {
        let options = OptsBuilder::default()
            .ip_or_hostname(address.ip().to_string())
            .tcp_port(address.port())
            .user(Some(user))
            .pass(Some(password))
            .db_name(Some("shop"))
            .prefer_socket(Some(false));
        Conn::new(options).await
    }

    /// Ends the gateway and waits for it.
    pub(crate) async fn end(mut self) {
        self.shutdown.send_replace(true);
        let task = self.task.take().unwrap();
        tokio::time::timeout(Duration::from_secs(10), task)
            .await
            .unwrap()
            .unwrap();
    }
}

/// As the agent reads them.
async fn names(conn: &mut Conn) -> Catalog {
    let text = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE FROM information_schema.TABLES \
        WHERE TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema') AND (TABLE_TYPE = 'SEQUENCE' OR ENGINE NOT IN ('InnoDB', 'Aria', 'MyISAM', 'CSV', 'ARCHIVE'))";
    let tables: Vec<(String, String, String)> = conn.query(text).await.unwrap_or_default();
    let text = "SELECT ROUTINE_SCHEMA, ROUTINE_NAME FROM information_schema.ROUTINES WHERE ROUTINE_TYPE = 'FUNCTION'";
    let functions: Vec<(String, String)> = conn.query(text).await.unwrap_or_default();
    let text = "SELECT TABLE_SCHEMA, TABLE_NAME, VIEW_DEFINITION FROM information_schema.VIEWS";
    let views: Vec<(String, String, String)> = conn.query(text).await.unwrap_or_default();
    let tables = tables.into_iter().map(|(database, name, kind)| {
        let is_sequence = kind == "SEQUENCE";
        (
            database,
            name,
            if is_sequence {
                Object::Sequence
            } else {
                Object::Engine
            },
        )
    });
    let functions = functions
        .into_iter()
        .map(|(database, name)| (database, name, Object::Function));
    let objects: Vec<_> = tables.chain(functions).collect();
    let views: Vec<_> = views
        .into_iter()
        .map(|(database, name, definition)| View {
            database,
            name,
            definition,
        })
        .collect();
    Catalog::new(&objects, &views)
}

/// The name of the server that answers.
pub(crate) async fn who(conn: &mut Conn) -> mysql_async::Result<String> {
    Ok(conn.query_first("SELECT name FROM who").await?.unwrap())
}

/// Number and text of a server's error.
pub(crate) fn error_of<T: std::fmt::Debug>(result: mysql_async::Result<T>) -> (u16, String) {
    match result {
        Err(mysql_async::Error::Server(error)) => (error.code, error.message),
        other => panic!("no error of the server: {other:?}"),
    }
}

/// Waits for a condition without blocking the runtime.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(
        tokio::time::timeout(Duration::from_secs(20), wait)
            .await
            .is_ok(),
        "{what}"
    );
}

/// Memory can only be measured in a process where nothing else runs: true in that process. Elsewhere it
/// runs the test `name` in a process of its own and returns false.
pub(crate) fn alone(name: &str) -> bool {
    const KEY: &str = "SQL_GATEWAY_TEST_ALONE";
    if std::env::var_os(KEY).is_some() {
        return true;
    }
    let test = std::env::current_exe().unwrap();
    let output = std::process::Command::new(test)
        .args([name, "--exact", "--nocapture"])
        .env(KEY, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(text.contains("1 passed"), "{name}: {text}");
    println!("{text}");
    false
}
