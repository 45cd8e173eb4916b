//! What is measured against: a real cluster, sysbench's table in it, and an account for the clients.

use std::{
    net::SocketAddr,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use trial::{Builder, Cluster, Layout, Place};

use super::{
    client::{At, Who},
    sysbench,
};
use crate::{Ground, LIMIT};

const USER: &str = "bench";
/// For peers that look after the server with an account of their own.
pub(super) const WATCHER: &str = "bench_watch";
/// For clients whose server is reached by TCP: the gateway does not let this name in at the server's socket, because one of
/// its accounts is let in there for its name alone.
pub(super) const BY_TCP: &str = "bench_tcp";
/// For clients whose reads stay on the primary (`gateway.freshness_of`): nothing of theirs leaves its node.
pub(super) const HOME: &str = "bench_home";
/// Both.
pub(super) const HOME_BY_TCP: &str = "bench_home_tcp";
/// How old the gateway's table of accounts may be, for that.
const ACCOUNTS: Duration = Duration::from_secs(35);
const PASSWORD: &str = "bench";
const SCHEMA: &str = "bench";
/// More than any measurement opens at once; the server's limit on open files may lower it.
const CONNECTIONS: u32 = 12_000;
/// How long one administrative statement may take.
const STATEMENT: Duration = Duration::from_secs(20);

/// The cluster, and how to reach it.
pub(super) struct Site {
    pub(super) cluster: Cluster,
    /// The gateway that is measured is the one of this node, which holds the primary.
    pub(super) primary: String,
    /// Another data node.
    pub(super) replica: String,
    /// The primary's server, past the gateway, as the clients see it.
    pub(super) server: SocketAddr,
    /// Where the clients are.
    pub(super) clients: Place,
    /// The replica's server, past its agent.
    pub(super) replica_port: u16,
    pub(super) who: Who,
    /// The account's password as the server keeps it.
    pub(super) hash: String,
    /// Since when the accounts are there.
    opened: Instant,
    /// For everything that peers and tools write.
    pub(super) dir: PathBuf,
}

impl Site {
    /// Starts the cluster, makes the account and the table. On loopback everything is in one place; with cables the clients are
    /// on the replica's node.
    pub(super) async fn open(ground: &Ground, layout: Layout) -> Result<Self> {
        raise_file_limit()?;
        let cluster = Builder::new(&ground.program, &ground.dir)
            .data_nodes(ground.nodes)
            .witness(ground.has_witness())
            .layout(layout)
            .key(format!("mariadb.options.max_connections={CONNECTIONS}"))
            .key("mariadb.options.max_allowed_packet=64M")
            .key(format!("gateway.max_connections={CONNECTIONS}"))
            // What is asked for is asked for with all of it: splitting, reads that see every write of the site, metrics.
            .key("gateway.split=true")
            .key("gateway.freshness=site")
            .key(format!("gateway.freshness_of.{HOME}=primary"))
            .key(format!("gateway.freshness_of.{HOME_BY_TCP}=primary"))
            .start()
            .await
            .context("set a cluster up")?;
        cluster.wait_settled(LIMIT).await?;
        let primary = cluster.primary().await?;
        let others = cluster.nodes().iter().filter(|node| !node.is_witness());
        let mut others = others.filter(|node| node.name() != primary);
        let replica = others.next().context("there is no other data node")?.name();
        let replica = replica.to_owned();
        let (server, clients) = match layout {
            Layout::Loopback => (cluster.node(&primary)?.server_address(), Place::Host),
            Layout::Namespaces => {
                let server = cluster.reach_server(&primary)?;
                (server, cluster.node(&replica)?.place().clone())
            }
        };
        let replica_port = cluster.node(&replica)?.server_address().port();
        let dir = ground.dir.join("peers");
        std::fs::create_dir_all(&dir).with_context(|| format!("create {}", dir.display()))?;
        let mut site = Self {
            primary,
            replica,
            server,
            clients,
            replica_port,
            who: Who {
                user: USER.to_owned(),
                password: PASSWORD.to_owned(),
                schema: SCHEMA.to_owned(),
            },
            hash: String::new(),
            opened: Instant::now(),
            dir,
            cluster,
        };
        site.fill().await?;
        Ok(site)
    }

    /// Returns when the gateways know by which way the server may be reached for whom.
    pub(super) async fn settle(&self) {
        tokio::time::sleep(ACCOUNTS.saturating_sub(self.opened.elapsed())).await;
    }

    async fn fill(&mut self) -> Result<()> {
        let mut session = self.cluster.as_administrator(&self.primary).await?;
        let mut statements = vec![format!("CREATE DATABASE {SCHEMA}")];
        // Why two: clients of 127.0.0.1 count as `localhost` at a gateway, others do not.
        for (user, host) in [USER, BY_TCP, HOME, HOME_BY_TCP]
            .map(|user| [(user, "localhost"), (user, "%")])
            .concat()
        {
            let name = format!("'{user}'@'{host}'");
            statements.push(format!("CREATE USER {name} IDENTIFIED BY '{PASSWORD}'"));
            statements.push(format!("GRANT ALL ON {SCHEMA}.* TO {name}"));
        }
        for user in [BY_TCP, HOME_BY_TCP] {
            let nobody = format!("'{user}'@'203.0.113.1'");
            statements.push(format!("CREATE USER {nobody} IDENTIFIED VIA unix_socket"));
        }
        let watcher = format!("'{WATCHER}'@'%'");
        statements.push(format!("CREATE USER {watcher} IDENTIFIED BY '{PASSWORD}'"));
        let rights = "SELECT, SHOW DATABASES, REPLICA MONITOR, BINLOG MONITOR, PROCESS";
        statements.push(format!("GRANT {rights} ON *.* TO {watcher}"));
        for statement in &statements {
            session.execute(statement, STATEMENT).await?;
        }
        let hash = session
            .value(&format!("SELECT PASSWORD('{PASSWORD}')"), STATEMENT)
            .await?;
        self.hash = hash.context("the server has no password hash")?;
        self.opened = Instant::now();
        sysbench::prepare(&self.clients, &At::Tcp(self.server), &self.who).await
    }
}

/// As many open files as we may have: ten thousand clients are as many sockets here, and programs
/// started from here inherit the limit.
fn raise_file_limit() -> Result<()> {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    setrlimit(Resource::Nofile, raised).context("raise the limit on open files")
}

/// How many clients a proxy can have with two sockets for each of them, up to what is wanted.
pub(super) fn most_clients(wanted: usize) -> usize {
    let most = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
    let room = usize::try_from(most)
        .unwrap_or(usize::MAX)
        .saturating_sub(1_000)
        / 2;
    wanted.min(room)
}
