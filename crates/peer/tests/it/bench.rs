//! A primary and a replica with real servers, each with its agent's half of the replication tunnel.

use std::sync::Arc;
use std::time::Duration;

use peer::tunnel::{Admissions, Hello, Mode, Upstream, UpstreamTarget};
use peer::{Authority, Config};

use crate::server::Server;
use crate::support::{Node, TestService, free_port, node, node_with, wait_until};

pub(crate) const LONG: Duration = Duration::from_secs(30);
pub(crate) const SEMI_SYNC_REPLICA: &str = "--rpl-semi-sync-slave-enabled=1";
pub(crate) const SEMI_SYNC_PRIMARY: &str = "--rpl-semi-sync-master-enabled=1";

pub(crate) fn hello(epoch: u64, mode: Mode) -> Hello {
    Hello {
        epoch,
        mode,
        boot: "boot-1".to_owned(),
        data: "data-1".to_owned(),
    }
}

/// A primary and a replica, each with its agent's half of the tunnel.
pub(crate) struct Bench {
    pub(crate) primary: Arc<Server>,
    pub(crate) replica: Arc<Server>,
    pub(crate) admissions: Admissions,
    pub(crate) upstream: Upstream,
    pub(crate) tunnel_port: u16,
    pub(crate) alpha: Node,
    _bravo: Node,
}

impl Bench {
    pub(crate) async fn start(
        primary_options: &'static [&str],
        replica_options: &'static [&str],
    ) -> Self {
        let primary = tokio::task::spawn_blocking(|| Server::start(1, primary_options));
        let primary = Arc::new(primary.await.unwrap());
        let replica = tokio::task::spawn_blocking(|| Server::start(2, replica_options));
        let replica = Arc::new(replica.await.unwrap());
        let authority = Authority::create("test").unwrap();
        let admissions = Admissions::new(format!("127.0.0.1:{}", primary.port).parse().unwrap());
        let service = TestService {
            admissions: Some(admissions.clone()),
            ..TestService::default()
        };
        let alpha = node_with(&authority, "alpha", service, Config::default()).await;
        let bravo = node(&authority, "bravo").await;
        let tunnel_port = free_port();
        let listen = format!("127.0.0.1:{tunnel_port}").parse().unwrap();
        let upstream = Upstream::new(bravo.endpoint.clone(), listen);
        primary.sql(
            "SET sql_log_bin=0; CREATE USER repl@'%' IDENTIFIED BY 'secret';
             GRANT REPLICATION SLAVE ON *.* TO repl@'%'",
        );
        replica.sql(&format!(
            "CHANGE MASTER TO master_host='127.0.0.1', master_port={tunnel_port},
             master_user='repl', master_password='secret', master_use_gtid=slave_pos,
             master_connect_retry=1, master_heartbeat_period=1"
        ));
        Self {
            primary,
            replica,
            admissions,
            upstream,
            tunnel_port,
            alpha,
            _bravo: bravo,
        }
    }

    pub(crate) async fn target(&self, hello: Hello) {
        let (node, addr) = ("alpha".to_owned(), self.alpha.addr);
        self.upstream
            .set(Some(UpstreamTarget { node, addr, hello }))
            .await
            .unwrap();
    }

    /// Admits, targets and starts the replication thread; returns when the binlog flows.
    pub(crate) async fn connect(&self, mode: Mode) {
        self.admissions.admit("bravo", hello(7, mode)).await;
        self.target(hello(7, mode)).await;
        self.replica.sql("START SLAVE");
        wait_until("the binlog flows", LONG, || {
            self.state().is_some_and(|state| state.dumping)
        })
        .await;
    }

    pub(crate) fn state(&self) -> Option<peer::tunnel::AdmissionState> {
        self.admissions.snapshot().remove("bravo")
    }

    pub(crate) fn io_error(&self) -> String {
        self.replica.sql("SHOW ALL SLAVES STATUS")
    }

    /// A statement on the primary that need not end.
    pub(crate) fn start_on_primary(&self, sql: &str) -> std::process::Child {
        self.primary.client(sql).spawn().unwrap()
    }

    /// A statement on the replica that need not end.
    pub(crate) fn start_on_replica(&self, sql: &str) -> std::process::Child {
        self.replica.client(sql).spawn().unwrap()
    }

    pub(crate) async fn wait_for_rows(&self, rows: &str) {
        wait_until("the rows arrive", LONG, || {
            let found = self
                .replica
                .sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_name='t1'");
            found == "1" && self.replica.sql("SELECT COUNT(*) FROM test.t1") == rows
        })
        .await;
    }
}

pub(crate) const TABLE: &str =
    "CREATE DATABASE IF NOT EXISTS test; CREATE TABLE test.t1 (id INT PRIMARY KEY)";
