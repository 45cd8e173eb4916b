//! Replication through the tunnels, with real servers: it works when admitted, and a cut is a cut.

use std::time::{Duration, Instant};

use peer::tunnel::{self, Admissions, Hello, Mode};
use peer::{Authority, Config};
use rustix::process::Signal;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::bench::{Bench, LONG, SEMI_SYNC_PRIMARY, SEMI_SYNC_REPLICA, TABLE, hello};
use crate::support::{TestService, node, node_with, wait_until};

/// What does not wait for the other end is done by then, on a slow machine too; what does wait
/// takes as long as the other end hangs.
const AT_ONCE: Duration = Duration::from_secs(10);

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
    assert!(took < AT_ONCE);
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

/// Why the port must be closed first: with it open `STOP SLAVE` of a semi-sync replica waits for an
/// answer of the primary (10.11.19).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stopping_replication_when_the_primary_hangs_then_fast_only_with_the_port_closed() {
    for is_open_at_first in [true, false] {
        let bench = Bench::start(&[SEMI_SYNC_PRIMARY], &[SEMI_SYNC_REPLICA]).await;
        bench.connect(Mode::Sync).await;
        bench.primary.sql(TABLE);
        bench.primary.signal(Signal::STOP);
        let mut stop = is_open_at_first.then(|| bench.start_on_replica("STOP SLAVE"));
        if let Some(stop) = &mut stop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert!(
                stop.try_wait().unwrap().is_none(),
                "done with the port open"
            );
        }
        let start = Instant::now();
        bench.upstream.set(None).await.unwrap();
        let closed = start.elapsed();
        let mut stop = stop.unwrap_or_else(|| bench.start_on_replica("STOP SLAVE"));
        wait_until("replication stops", LONG, || {
            stop.try_wait().unwrap().is_some()
        })
        .await;
        let stopped = start.elapsed();
        assert!(stop.wait().unwrap().success());
        // Before the primary goes on: cutting must not depend on it either.
        bench.admissions.cut_all().await;
        bench.primary.signal(Signal::CONT);
        println!("port closed after {closed:?}, STOP SLAVE done after {stopped:?}");
        assert!(closed < AT_ONCE, "{closed:?}");
        assert!(stopped < AT_ONCE, "{stopped:?}");
    }
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
    for _ in 0..20 {
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
    assert!(last < 150_000_000, "nothing is stalled: {last}");
    let start = Instant::now();
    bench.admissions.cut("bravo").await;
    bench.upstream.set(None).await.unwrap();
    let took = start.elapsed();
    bench.replica.signal(Signal::CONT);
    println!("cut of a stalled tunnel: {took:?}, {last} bytes were on the way");
    assert!(took < AT_ONCE, "{took:?}");
}

/// Commits one row after another until its client is killed.
const WRITE_ON: &str = "delimiter //
BEGIN NOT ATOMIC
    DECLARE i INT DEFAULT 100;
    WHILE i < 100000000 DO INSERT INTO test.t1 VALUES (i); SET i = i + 1; END WHILE;
END//";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_when_commits_flow_then_none_is_acknowledged_after_it() {
    let bench = Bench::start(&[SEMI_SYNC_PRIMARY], &[SEMI_SYNC_REPLICA]).await;
    bench.connect(Mode::Sync).await;
    bench.primary.sql(TABLE);
    let mut writer = bench.start_on_primary(WRITE_ON);
    let acknowledged = || -> u64 {
        let count = bench.primary.status("Rpl_semi_sync_master_yes_tx");
        count.parse().unwrap()
    };
    for round in 0..5 {
        let before = acknowledged();
        wait_until("commits flow", LONG, || acknowledged() > before + 20).await;
        bench.admissions.cut("bravo").await;
        let at_cut = acknowledged();
        tokio::time::sleep(Duration::from_millis(100)).await;
        // One acknowledgement may have been with the server already.
        let soon = acknowledged();
        assert!(soon <= at_cut + 1, "round {round}: {at_cut} {soon}");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert_eq!(acknowledged(), soon, "round {round}");
        bench.admissions.admit("bravo", hello(7, Mode::Sync)).await;
        wait_until("it is back", LONG, || bench.state().unwrap().dumping).await;
        // Why: 10.11.19 does not resend a transaction that the replica has, so a commit whose
        // acknowledgement was cut off waits until a later transaction is acknowledged (FLUSH BINARY
        // LOGS does not help).
        bench
            .primary
            .sql(&format!("INSERT INTO test.t1 VALUES ({round})"));
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
}

/// Commits a second while the writer writes, over one second.
async fn commit_rate(bench: &Bench) -> f64 {
    let count = || -> u64 {
        let count = bench.primary.status("Rpl_semi_sync_master_yes_tx");
        count.parse().unwrap()
    };
    let first = count();
    wait_until("commits flow", LONG, || count() > first + 20).await;
    let (start, before) = (Instant::now(), count());
    tokio::time::sleep(Duration::from_secs(1)).await;
    (count() - before) as f64 / start.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commits_when_acknowledged_through_the_tunnel_then_not_much_slower_than_direct() {
    let bench = Bench::start(&[SEMI_SYNC_PRIMARY], &[SEMI_SYNC_REPLICA]).await;
    bench.connect(Mode::Sync).await;
    bench.primary.sql(TABLE);
    let mut writer = bench.start_on_primary(WRITE_ON);
    let tunnel = commit_rate(&bench).await;
    let port = bench.primary.port;
    bench.replica.sql(&format!(
        "STOP SLAVE; CHANGE MASTER TO master_port={port}; START SLAVE"
    ));
    let direct = commit_rate(&bench).await;
    writer.kill().unwrap();
    writer.wait().unwrap();
    println!("commits a second: {tunnel:.0} through the tunnel, {direct:.0} direct");
    // A tunnel that waits for more bytes before it passes some on makes 25 a second.
    assert!(tunnel > direct / 8.0, "{tunnel:.0} of {direct:.0}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replication_when_admitted_later_then_connects_without_waiting_for_the_servers_retry() {
    let bench = Bench::start(&[], &[]).await;
    bench.target(hello(7, Mode::Async)).await;
    bench.replica.sql("START SLAVE");
    wait_until("it asks", LONG, || {
        bench.upstream.state().last_refusal.is_some()
    })
    .await;
    let start = Instant::now();
    bench.admissions.admit("bravo", hello(7, Mode::Async)).await;
    wait_until("it flows", LONG, || bench.state().unwrap().dumping).await;
    println!("from admission to the binlog: {:?}", start.elapsed());
}

#[tokio::test]
async fn tunnels_when_more_than_a_server_opens_then_the_oldest_is_cut() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let admissions = Admissions::new(server.local_addr().unwrap());
    let authority = Authority::create("test").unwrap();
    let service = TestService {
        admissions: Some(admissions.clone()),
        ..TestService::default()
    };
    let alpha = node_with(&authority, "alpha", service, Config::default()).await;
    let bravo = node(&authority, "bravo").await;
    let said = hello(7, Mode::Sync);
    admissions.admit("bravo", said.clone()).await;
    let mut tunnels = Vec::new();
    for _ in 0..5 {
        let header = serde_json::to_value(&said).unwrap();
        let opened = bravo
            .endpoint
            .open("alpha", alpha.addr, tunnel::SERVICE, header, LONG);
        let (opened, accepted) = tokio::join!(opened, server.accept());
        tunnels.push((opened.unwrap(), accepted.unwrap().0));
    }
    let (mut oldest, mut at_server) = tunnels.remove(0);
    assert!(oldest.read_u8().await.is_err());
    assert!(at_server.read_u8().await.is_err());
    for (stream, tcp) in &mut tunnels {
        tcp.write_u8(7).await.unwrap();
        assert_eq!(stream.read_u8().await.unwrap(), 7);
    }
    // A removed node's tunnels end with its certificate.
    alpha.endpoint.set_refused(["bravo".to_owned()].into());
    for (stream, tcp) in &mut tunnels {
        assert!(stream.read_u8().await.is_err());
        assert!(tcp.read_u8().await.is_err());
    }
    let over = || admissions.snapshot()["bravo"].connected.is_none();
    wait_until("the list knows", LONG, over).await;
}
