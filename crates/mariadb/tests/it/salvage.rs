//! What a replica had received and not applied when it was killed, with its primary dead: brought back, or lost.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use mariadb::{Error, Receiving};

use crate::fixture::{LIMIT, Node, cluster, until};
use crate::load::Load;

/// A killed primary and a killed replica whose relay log holds `BACKLOG` transactions it has not applied.
async fn undrained() -> (Node, Node, u64) {
    let mut nodes = cluster(1, true).await;
    let (replica, primary) = (nodes.pop().unwrap(), nodes.pop().unwrap());
    replica.run("STOP SLAVE SQL_THREAD").await;
    primary
        .run("SET GLOBAL rpl_semi_sync_master_enabled=ON")
        .await;
    for value in 1..=20 {
        primary
            .run(&format!("INSERT INTO test.t (v) VALUES ({value})"))
            .await;
    }
    // A row whose event as text is greater than the server takes by default.
    primary
        .run("CREATE TABLE test.u (a INT PRIMARY KEY, b LONGBLOB) ENGINE=InnoDB")
        .await;
    primary
        .run("INSERT INTO test.u VALUES (1, REPEAT('x', 14000000)); FLUSH BINARY LOGS")
        .await;
    primary
        .run("INSERT INTO test.t (v) VALUES (100); UPDATE test.t SET v = v + 1000 WHERE v = 3")
        .await;
    primary
        .run("CREATE PROCEDURE test.p() BEGIN SELECT 'a;b'; SELECT 2; END")
        .await;
    let end = primary.status().await.binlog;
    let received = replica.status().await.received;
    assert!(received.same_as(&end), "all of it was acknowledged");
    primary.server.kill(LIMIT).await.unwrap();
    replica.server.kill(LIMIT).await.unwrap();
    replica.start().await;
    (primary, replica, 20 + 2 + 2 + 1)
}

async fn rows(node: &Node) -> String {
    node.value("SELECT CONCAT(COUNT(*), ' ', SUM(v)) FROM test.t")
        .await
}

fn relay_logs(node: &Node) -> Vec<PathBuf> {
    let index = std::fs::read_to_string(node.server.relay_log_index()).unwrap();
    index
        .lines()
        .map(|name| node.server.settings().database_dir.join(name))
        .collect()
}

/// The relay log file that holds the backlog: the greatest.
fn greatest(node: &Node) -> PathBuf {
    relay_logs(node)
        .into_iter()
        .max_by_key(|path| path.metadata().unwrap().len())
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_rows_and_ddl_are_back_after_a_salvage() {
    let (primary, replica, backlog) = undrained().await;
    assert!(replica.server.is_relay_log_unexamined());
    let found = replica.server.needs_salvage().await.unwrap().unwrap();
    assert_eq!((found.transactions, found.damage.clone()), (backlog, None));
    let mut heard = Vec::new();
    let salvaged = replica
        .server
        .salvage(None, |done, of| heard.push((done, of)))
        .await
        .unwrap();
    assert_eq!(salvaged.transactions, backlog);
    assert_eq!(heard.last(), Some(&(backlog, backlog)));
    let status = replica.status().await;
    assert_eq!(
        (&status.applied, &status.binlog),
        (&found.received, &found.received)
    );
    assert_eq!(rows(&replica).await, "21 1310");
    assert_eq!(
        replica.value("SELECT LENGTH(b) FROM test.u").await,
        "14000000"
    );
    assert_eq!(
        replica.value("SELECT @@global.max_allowed_packet").await,
        "16777216"
    );
    assert!(
        replica.server.needs_salvage().await.unwrap().is_none()
            && !replica.server.is_relay_log_unexamined()
    );
    // Nothing of it is a transaction of the replica's own: the primary, back again, sees no difference.
    assert!(
        replica
            .server
            .errant(&found.applied, &[1])
            .await
            .unwrap()
            .is_empty()
    );
    assert_eq!(
        replica
            .server
            .errant(&found.applied, &[2])
            .await
            .unwrap()
            .len() as u64,
        backlog
    );
    primary.start().await;
    primary.open().await;
    primary.run("INSERT INTO test.t (v) VALUES (7)").await;
    replica.tunnel.lead_to(primary.server.settings().extra_port);
    replica.server.follow(true, LIMIT).await.unwrap();
    let end = primary.status().await.binlog;
    assert!(replica.server.wait_applied(&end, LIMIT).await.unwrap());
    assert_eq!(rows(&replica).await, rows(&primary).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn acknowledged_rows_are_lost_when_replication_starts_without_a_salvage() {
    let (_primary, replica, _) = undrained().await;
    replica.run("START SLAVE").await;
    until("the relay log was deleted", || async {
        replica.status().await.receiving != Receiving::Stopped
            && relay_logs(&replica)
                .iter()
                .all(|p| p.metadata().is_ok_and(|m| m.len() < 1_000_000))
    })
    .await;
    replica.run("STOP SLAVE").await;
    assert!(replica.server.needs_salvage().await.unwrap().is_none());
    assert_eq!(replica.value("SELECT COUNT(*) FROM test.t").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn salvage_is_refused_while_it_replicates() {
    let nodes = cluster(1, true).await;
    assert!(matches!(
        nodes[1].server.salvage(None, |_, _| {}).await,
        Err(Error::IsReplica)
    ));
    assert!(
        nodes[0].server.needs_salvage().await.unwrap().is_none(),
        "a primary has no relay log"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn torn_relay_log_gives_back_all_whole_transactions() {
    for damage in [cut_short, zeroed, altered] {
        let (_primary, replica, backlog) = undrained().await;
        let file = greatest(&replica);
        damage(&file);
        let found = replica.server.needs_salvage().await.unwrap().unwrap();
        assert!(
            found.damage.is_some() && found.transactions < backlog,
            "{found:?}"
        );
        let salvaged = replica.server.salvage(None, |_, _| {}).await.unwrap();
        assert_eq!(
            (salvaged.transactions, &salvaged.position),
            (found.transactions, &found.received)
        );
        assert_eq!(salvaged.damage, found.damage);
        assert_eq!(replica.value("SELECT COUNT(*) FROM test.t").await, "20");
        assert_eq!(replica.value("SELECT COUNT(*) FROM test.u").await, "0");
        assert_eq!(replica.status().await.applied, found.received);
    }
}

fn length(file: &Path) -> u64 {
    file.metadata().unwrap().len()
}

/// The last event is torn, as after loss of power: here the one with the great row.
fn cut_short(file: &Path) {
    OpenOptions::new()
        .write(true)
        .open(file)
        .unwrap()
        .set_len(14_000_000 - 5_000_000)
        .unwrap();
}

fn zeroed(file: &Path) {
    cut_short(file);
    let length = length(file);
    OpenOptions::new()
        .write(true)
        .open(file)
        .unwrap()
        .set_len(length + 6_000_000)
        .unwrap();
}

fn altered(file: &Path) {
    OpenOptions::new()
        .write(true)
        .open(file)
        .unwrap()
        .write_all_at(b"??", 7_000_000)
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn salvage_stops_at_its_limit() {
    let (_primary, replica, _) = undrained().await;
    let found = replica.server.needs_salvage().await.unwrap().unwrap();
    let start = found.applied.sequence(0);
    let limit = format!("0-1-{}", start + 5).parse().unwrap();
    let salvaged = replica
        .server
        .salvage(Some(&limit), |_, _| {})
        .await
        .unwrap();
    assert_eq!((salvaged.transactions, salvaged.position), (5, limit));
    assert_eq!(rows(&replica).await, "5 15");
}

#[tokio::test(flavor = "multi_thread")]
async fn interrupted_salvage_is_finished_by_the_next() {
    let (_primary, replica, backlog) = undrained().await;
    let found = replica.server.needs_salvage().await.unwrap().unwrap();
    // As after a kill in between: some are in the binlog, the replication position is the old one.
    let limit = format!("0-1-{}", found.applied.sequence(0) + 5)
        .parse()
        .unwrap();
    replica
        .server
        .salvage(Some(&limit), |_, _| {})
        .await
        .unwrap();
    replica
        .run(&format!("SET GLOBAL gtid_slave_pos='{}'", found.applied))
        .await;
    let salvaged = replica.server.salvage(None, |_, _| {}).await.unwrap();
    assert_eq!(
        (salvaged.transactions, salvaged.position),
        (backlog - 5, found.received)
    );
    assert_eq!(rows(&replica).await, "21 1310");
}

#[tokio::test(flavor = "multi_thread")]
async fn long_backlog_is_salvaged_at_the_rate_of_serial_commits() {
    let nodes = cluster(1, true).await;
    let (primary, replica) = (&nodes[0], &nodes[1]);
    replica.run("STOP SLAVE SQL_THREAD").await;
    let load = Load::on(primary, 8).await;
    load.more(3000).await;
    load.end().await;
    let end = primary.status().await.binlog;
    until("all is received", || async {
        replica.status().await.received.covers(&end)
    })
    .await;
    primary.server.kill(LIMIT).await.unwrap();
    replica.server.kill(LIMIT).await.unwrap();
    replica.start().await;
    let begun = Instant::now();
    let found = replica.server.needs_salvage().await.unwrap().unwrap();
    println!(
        "looked at {} transactions in {:?}",
        found.transactions,
        begun.elapsed()
    );
    let begun = Instant::now();
    let salvaged = replica.server.salvage(None, |_, _| {}).await.unwrap();
    let rate = salvaged.transactions as f64 / begun.elapsed().as_secs_f64();
    println!(
        "salvaged {} in {:?}: {rate:.0} a second",
        salvaged.transactions,
        begun.elapsed()
    );
    assert!(salvaged.position.same_as(&end));
}
