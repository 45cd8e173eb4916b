//! Crash recovery in both roles, and restarts of replicas.

use std::time::Duration;

use mariadb::{Error, SemiSync, StartAs};

use crate::fixture::{LIMIT, Node, cluster, until};
use crate::replication::{rows, undrained};

/// A primary killed with one acknowledged row and one that nobody else has.
async fn killed_with_a_tail() -> Vec<Node> {
    let nodes = cluster(1, true).await;
    let primary = &nodes[0];
    primary
        .server
        .set_semi_sync_primary(SemiSync::On, LIMIT)
        .await
        .unwrap();
    primary.run("INSERT INTO test.t (v) VALUES (1)").await;
    nodes[1].server.stop_receiving(LIMIT).await.unwrap();
    let waiting = primary.begin("INSERT INTO test.t (v) VALUES (2)").await;
    until("it waits", || async {
        primary.status().await.commits_waiting == 1
    })
    .await;
    primary.server.kill(LIMIT).await.unwrap();
    waiting.await.unwrap().unwrap_err();
    nodes
}

#[tokio::test]
async fn destructive_start_when_killed_with_a_tail_then_the_tail_is_gone_and_it_can_follow() {
    let nodes = killed_with_a_tail().await;
    let (old, new) = (&nodes[0], &nodes[1]);
    old.server.start(StartAs::Destructive, LIMIT).await.unwrap();
    assert_eq!(rows(old).await, "1");
    let end = old.status().await.binlog;
    assert!(new.status().await.received.covers(&end), "{end}");
    let log = std::fs::read_to_string(old.server.settings().error_log()).unwrap();
    assert!(log.contains("Successfully truncated binlog"), "{log}");
    let file = std::fs::read_to_string(old.server.settings().config_file()).unwrap();
    assert!(!file.contains("init"), "the destructive role is in no file");

    new.server.promote(LIMIT).await.unwrap();
    new.open().await;
    new.run("INSERT INTO test.t (v) VALUES (3)").await;
    old.server.demote(LIMIT).await.unwrap();
    old.tunnel.lead_to(new.server.settings().extra_port);
    old.server.follow(true, LIMIT).await.unwrap();
    let end = new.status().await.binlog;
    assert!(old.server.wait_applied(&end, LIMIT).await.unwrap());
    assert_eq!(rows(old).await, "2");
}

#[tokio::test]
async fn ordinary_start_when_killed_with_a_tail_then_the_tail_is_kept() {
    let nodes = killed_with_a_tail().await;
    nodes[0]
        .server
        .start(StartAs::Ordinary, LIMIT)
        .await
        .unwrap();
    assert_eq!(rows(&nodes[0]).await, "2");
    assert!(nodes[0].status().await.is_read_only);
}

#[tokio::test]
async fn replica_when_restarted_undrained_then_nothing_goes_on_before_a_salvage() {
    let (nodes, lock) = undrained(20).await;
    let replica = &nodes[1];
    let received = replica.server.stop_receiving(LIMIT).await.unwrap();
    assert!(!replica.server.is_relay_log_unexamined());
    replica.server.kill(LIMIT).await.unwrap();
    drop(lock);
    replica
        .server
        .start(StartAs::Ordinary, LIMIT)
        .await
        .unwrap();
    let status = replica.status().await;
    println!(
        "received {received}, after the restart it says {}",
        status.received
    );
    assert!(
        !status.received.covers(&received),
        "the server has forgotten what it had received"
    );
    assert!(replica.server.is_relay_log_unexamined() && replica.fresh().is_relay_log_unexamined());
    let unexamined = |e: Error| assert!(matches!(e, Error::RelayLogUnexamined), "{e}");
    unexamined(replica.server.stop_receiving(LIMIT).await.unwrap_err());
    unexamined(replica.server.promote(LIMIT).await.unwrap_err());
    unexamined(replica.server.follow(true, LIMIT).await.unwrap_err());
    unexamined(
        replica
            .server
            .start_receiving(true, LIMIT)
            .await
            .unwrap_err(),
    );
    // The files are all there still.
    let index = std::fs::read_to_string(replica.server.relay_log_index()).unwrap();
    let size: u64 = index
        .lines()
        .map(|file| {
            std::fs::metadata(replica.server.settings().database_dir.join(file))
                .unwrap()
                .len()
        })
        .sum();
    assert!(size > 20 * 150, "{size} bytes in {index}");
}

#[tokio::test]
async fn primary_when_restarted_then_it_has_no_relay_log_to_examine() {
    let nodes = cluster(1, true).await;
    nodes[1].server.promote(LIMIT).await.unwrap();
    nodes[1].server.kill(LIMIT).await.unwrap();
    nodes[1]
        .server
        .start(StartAs::Ordinary, LIMIT)
        .await
        .unwrap();
    println!(
        "unexamined after a promotion: {}",
        nodes[1].server.is_relay_log_unexamined()
    );
    tokio::time::timeout(Duration::from_secs(1), nodes[1].server.exited())
        .await
        .unwrap_err();
}
