//! A gateway in this process, before some servers, with a route that the test commands.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, OptsBuilder};
use sql_gateway::{
    Accounts, Address, Config, Dial, Gateway, Handle, Lease, Proof, Route, Stream, Target, Tls,
};
use tokio::net::TcpStream;
use tokio::sync::watch;

use crate::server::Server;

/// Two servers that live as long as the tests do; nobody kills these.
pub(crate) fn pair() -> &'static [Server; 2] {
    static PAIR: OnceLock<[Server; 2]> = OnceLock::new();
    PAIR.get_or_init(|| [Server::start("a"), Server::start("b")])
}

struct Ports(Mutex<HashMap<String, u16>>);

#[async_trait::async_trait]
impl Dial for Ports {
    /// `b` is as far as another node's server: only [`Dial::dial`] reaches it.
    fn direct(&self, route: &Route) -> Option<Address> {
        let node = &route.target.as_ref()?.node;
        let port = self.0.lock().unwrap().get(node).copied()?;
        (node != "b").then(|| Address::Tcp(([127, 0, 0, 1], port).into()))
    }

    async fn dial(&self, route: &Route) -> io::Result<Box<dyn Stream>> {
        let node = &route
            .target
            .as_ref()
            .ok_or(io::ErrorKind::NotConnected)?
            .node;
        let port = self
            .0
            .lock()
            .unwrap()
            .get(node)
            .copied()
            .ok_or(io::ErrorKind::NotFound)?;
        let stream = TcpStream::connect(("127.0.0.1", port)).await?;
        stream.set_nodelay(true)?;
        Ok(Box::new(stream))
    }
}

use sql_gateway::Outcomes;
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
        let ports = Arc::new(Ports(Mutex::default()));
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
            .0
            .lock()
            .unwrap()
            .insert(node.to_owned(), server.port);
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
        let options = OptsBuilder::default()
            .ip_or_hostname("127.0.0.1")
            .tcp_port(self.address.port())
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
