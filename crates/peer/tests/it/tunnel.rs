//! Replication through the tunnels, with real servers: it works when admitted, and a cut is a cut.

use std::sync::Arc;
use std::time::{Duration, Instant};

use peer::tunnel::{Admissions, Hello, Mode, Upstream, UpstreamTarget};
use peer::{Authority, Config};
use rustix::process::Signal;
use tokio::net::TcpStream;

use crate::server::Server;
use crate::support::{Node, TestService, free_port, node, node_with, wait_until};

const LONG: Duration = Duration::from_secs(30);
const SEMI_SYNC_REPLICA: &str = "--rpl-semi-sync-slave-enabled=1";
const SEMI_SYNC_PRIMARY: &str = "--rpl-semi-sync-master-enabled=1";

fn hello(epoch: u64, mode: Mode) -> Hello {
    Hello {
        epoch,
        mode,
        boot: "boot-1".to_owned(),
        data: "data-1".to_owned(),
    }
}

/// A primary and a replica, each with its agent's half of the tunnel.
struct Bench {
    primary: Arc<Server>,
    replica: Arc<Server>,
    admissions: Admissions,
    upstream: Upstream,
    tunnel_port: u16,
    alpha: Node,
    _bravo: Node,
}

impl Bench {
    async fn start(primary_options: &'static [&str], replica_options: &'static [&str]) -> Self {
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

    async fn target(&self, hello: Hello) {
        let (node, addr) = ("alpha".to_owned(), self.alpha.addr);
        self.upstream
            .set(Some(UpstreamTarget { node, addr, hello }))
            .await
            .unwrap();
    }

    /// Admits, targets and starts the replication thread; returns when the binlog flows.
    async fn connect(&self, mode: Mode) {
        self.admissions.admit("bravo", hello(7, mode)).await;
        self.target(hello(7, mode)).await;
        self.replica.sql("START SLAVE");
        wait_until("the binlog flows", LONG, || {
            self.state().is_some_and(|state| state.dumping)
        })
        .await;
    }

    fn state(&self) -> Option<peer::tunnel::AdmissionState> {
        self.admissions.snapshot().remove("bravo")
    }

    fn io_error(&self) -> String {
        self.replica.sql("SHOW ALL SLAVES STATUS")
    }

    /// A statement on the primary that need not end.
    fn start_on_primary(&self, sql: &str) -> std::process::Child {
        self.primary.client(sql).spawn().unwrap()
    }

    async fn wait_for_rows(&self, rows: &str) {
        wait_until("the rows arrive", LONG, || {
            let found = self
                .replica
                .sql("SELECT COUNT(*) FROM information_schema.tables WHERE table_name='t1'");
            found == "1" && self.replica.sql("SELECT COUNT(*) FROM test.t1") == rows
        })
        .await;
    }
}

const TABLE: &str = "CREATE DATABASE IF NOT EXISTS test; CREATE TABLE test.t1 (id INT PRIMARY KEY)";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replication_when_admitted_async_then_flows_and_stops_with_the_port() {
    let bench = Bench::start(&[], &[]).await;
    bench.connect(Mode::Async).await;
    bench.primary.sql(TABLE);
    bench.primary.sql("INSERT INTO test.t1 VALUES (1),(2),(3)");
    bench.wait_for_rows("3").await;
    let state = bench.state().unwrap();
    assert!(state.connected.is_some() && !state.announced && state.violations == 0);
    let up = bench.upstream.state();
    assert!(up.connected.is_some() && up.bytes.0 > 100 && up.last_from_primary.is_some());
    bench.upstream.set(None).await.unwrap();
    let refused = TcpStream::connect(("127.0.0.1", bench.tunnel_port)).await;
    assert_eq!(
        refused.unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    assert!(bench.upstream.state().target.is_none());
    wait_until("the primary's side is over", LONG, || {
        bench.state().unwrap().connected.is_none()
    })
    .await;
    bench.primary.sql("INSERT INTO test.t1 VALUES (4)");
    bench.target(hello(7, Mode::Async)).await;
    bench.wait_for_rows("4").await;
    bench.replica.sql("STOP SLAVE");
    wait_until("the tunnel ends", LONG, || {
        bench.state().unwrap().connected.is_none()
    })
    .await;
    bench.replica.sql("START SLAVE");
    bench.primary.sql("INSERT INTO test.t1 VALUES (5)");
    bench.wait_for_rows("5").await;
    assert_eq!(bench.state().unwrap().violations, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replication_when_sync_then_acknowledged_and_a_cut_stops_the_acknowledgements() {
    const LOGGED: &[&str] = &[SEMI_SYNC_PRIMARY, "--general-log=1", "--log-output=TABLE"];
    let bench = Bench::start(LOGGED, &[SEMI_SYNC_REPLICA]).await;
    bench.connect(Mode::Sync).await;
    bench.primary.sql(TABLE);
    bench.primary.sql("INSERT INTO test.t1 VALUES (1)");
    // The words that `LoginWatch` looks for, as 10.11 says them.
    let said = bench.primary.sql(
        "SELECT CONVERT(argument USING utf8mb4) FROM mysql.general_log
         WHERE command_type = 'Query' AND thread_id IN
             (SELECT thread_id FROM mysql.general_log WHERE command_type = 'Binlog Dump')
         ORDER BY event_time",
    );
    println!("{said}");
    assert!(
        said.lines()
            .any(|line| line == "SET @rpl_semi_sync_slave= 1"),
        "{said}"
    );
    let state = bench.state().unwrap();
    assert!(state.announced && state.last_from_replica.is_some() && state.violations == 0);
    let start = Instant::now();
    bench.admissions.cut("bravo").await;
    let took = start.elapsed();
    assert!(bench.state().is_none());
    let mut waiting = bench.start_on_primary("INSERT INTO test.t1 VALUES (2)");
    wait_until("the commit waits", LONG, || {
        bench.primary.status("Rpl_semi_sync_master_wait_sessions") == "1"
    })
    .await;
    wait_until("the replica is refused", LONG, || {
        let refusal = bench.upstream.state().last_refusal;
        refusal.is_some_and(|(_, reason)| reason.contains("not admitted"))
    })
    .await;
    assert!(
        waiting.try_wait().unwrap().is_none(),
        "acknowledged after the cut"
    );
    assert_eq!(
        bench.primary.status("Rpl_semi_sync_master_wait_sessions"),
        "1"
    );
    bench.admissions.admit("bravo", hello(7, Mode::Sync)).await;
    wait_until("the commit is acknowledged", LONG, || {
        waiting.try_wait().unwrap().is_some()
    })
    .await;
    assert!(waiting.wait().unwrap().success());
    println!("cut of a sync tunnel: {took:?}");
    assert!(took < Duration::from_millis(500));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replication_when_async_announces_semi_sync_then_cut_and_counted() {
    let bench = Bench::start(&[SEMI_SYNC_PRIMARY], &[SEMI_SYNC_REPLICA]).await;
    bench.admissions.admit("bravo", hello(7, Mode::Async)).await;
    bench.target(hello(7, Mode::Async)).await;
    bench.replica.sql("START SLAVE");
    wait_until("it is cut", LONG, || bench.state().unwrap().violations > 0).await;
    let state = bench.state().unwrap();
    assert_eq!(
        state.last_violation.as_deref(),
        Some("an async replica announced semi-sync")
    );
    assert!(!state.dumping);
    assert_eq!(bench.primary.status("Rpl_semi_sync_master_clients"), "0");
    bench
        .replica
        .sql("STOP SLAVE; SET GLOBAL rpl_semi_sync_slave_enabled=0; START SLAVE");
    wait_until("as async it connects", LONG, || {
        bench.state().unwrap().dumping
    })
    .await;
    assert_eq!(bench.primary.status("Rpl_semi_sync_master_clients"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replication_when_not_what_is_admitted_then_refused_with_the_reason() {
    let bench = Bench::start(&[], &[]).await;
    bench.replica.sql("START SLAVE");
    let other = |change: fn(&mut Hello)| {
        let mut hello = hello(7, Mode::Sync);
        change(&mut hello);
        hello
    };
    let cases = [
        (other(|hello| hello.epoch = 6), "epoch 7 is admitted, not 6"),
        (
            other(|hello| hello.mode = Mode::Async),
            "mode sync is admitted, not async",
        ),
        (
            other(|hello| hello.boot = "boot-2".to_owned()),
            "boot id boot-1 is admitted",
        ),
        (
            other(|hello| hello.data = "data-2".to_owned()),
            "data id data-1 is admitted",
        ),
        (hello(7, Mode::Sync), "`bravo` is not admitted"),
    ];
    for (said, reason) in cases {
        if reason.contains("not admitted") {
            bench.admissions.cut_all().await;
        } else {
            bench.admissions.admit("bravo", hello(7, Mode::Sync)).await;
        }
        bench.target(said).await;
        wait_until(reason, LONG, || {
            let refusal = bench.upstream.state().last_refusal;
            refusal.is_some_and(|(_, told)| told.contains(reason))
        })
        .await;
        assert!(bench.upstream.state().connected.is_none());
    }
    wait_until("the server says so", LONG, || {
        bench.io_error().contains("error")
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replication_when_readmitted_in_another_mode_then_the_old_tunnel_is_cut_first() {
    let bench = Bench::start(&[], &[]).await;
    bench.connect(Mode::Async).await;
    bench.admissions.admit("bravo", hello(7, Mode::Async)).await;
    assert!(
        bench.state().unwrap().connected.is_some(),
        "the same words change nothing"
    );
    bench.admissions.admit("bravo", hello(7, Mode::Sync)).await;
    assert!(bench.state().unwrap().connected.is_none());
    bench.target(hello(7, Mode::Sync)).await;
    wait_until("it connects again", LONG, || bench.state().unwrap().dumping).await;
}

async fn stop_slave_against_a_stopped_primary(close_port: bool) -> (Duration, Duration) {
    let bench = Bench::start(&[SEMI_SYNC_PRIMARY], &[SEMI_SYNC_REPLICA]).await;
    bench.connect(Mode::Sync).await;
    bench.primary.sql(TABLE);
    bench.primary.signal(Signal::STOP);
    let start = Instant::now();
    if close_port {
        bench.upstream.set(None).await.unwrap();
    }
    let closed = start.elapsed();
    let replica = Arc::clone(&bench.replica);
    tokio::task::spawn_blocking(move || replica.sql("STOP SLAVE"))
        .await
        .unwrap();
    let stopped = start.elapsed();
    // Why before the kill: cutting must not depend on the stopped server either.
    bench.admissions.cut_all().await;
    bench.primary.signal(Signal::CONT);
    (closed, stopped)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_slave_when_the_port_is_closed_then_fast_against_a_stopped_primary() {
    for _ in 0..3 {
        let (closed, stopped) = stop_slave_against_a_stopped_primary(true).await;
        println!("port closed after {closed:?}, STOP SLAVE done after {stopped:?}");
        assert!(closed < Duration::from_millis(100), "{closed:?}");
        assert!(stopped < Duration::from_millis(600), "{stopped:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "measures how slow it is without closing the port"]
async fn stop_slave_when_the_port_stays_open_then_slow() {
    let (_, stopped) = stop_slave_against_a_stopped_primary(false).await;
    println!("STOP SLAVE with the port open: {stopped:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_when_the_replica_is_stopped_in_mid_flow_then_still_at_once() {
    let bench = Bench::start(&[], &[]).await;
    bench.connect(Mode::Async).await;
    bench
        .primary
        .sql("CREATE DATABASE IF NOT EXISTS test; CREATE TABLE test.blob1 (b LONGBLOB)");
    bench.replica.signal(Signal::STOP);
    // More than all socket buffers on the way hold.
    for _ in 0..6 {
        bench
            .primary
            .sql("INSERT INTO test.blob1 VALUES (REPEAT('x', 8000000))");
    }
    let sent = || bench.state().unwrap().bytes.1;
    let mut last = 0;
    wait_until("the flow is stalled", LONG, || {
        std::thread::sleep(Duration::from_millis(100));
        let before = std::mem::replace(&mut last, sent());
        before == last && last > 100_000
    })
    .await;
    assert!(last < 40_000_000, "nothing is stalled: {last}");
    let start = Instant::now();
    bench.admissions.cut("bravo").await;
    bench.upstream.set(None).await.unwrap();
    let took = start.elapsed();
    bench.replica.signal(Signal::CONT);
    println!("cut of a stalled tunnel: {took:?}, {last} bytes were on the way");
    assert!(took < Duration::from_millis(500), "{took:?}");
}
