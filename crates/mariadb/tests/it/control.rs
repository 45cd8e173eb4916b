//! The traps are real on this version: what happens without our primitives. If one of these tests fails,
//! MariaDB has changed and the rule built on it should be looked at again.

use mariadb::{Receiving, SemiSync, StartAs};

use crate::fixture::{LIMIT, cluster, until};
use crate::replication::{rows, undrained};

#[tokio::test]
async fn start_slave_from_stopped_loses_acknowledged_rows() {
    let (nodes, lock) = undrained(20).await;
    let replica = &nodes[1];
    let received = replica.server.stop_receiving(LIMIT).await.unwrap();
    // STOP SLAVE waits for the blocked worker; it is rolled back as soon as it gets its lock.
    let stopping = replica.begin("STOP SLAVE").await;
    until("it is stopping", || async {
        replica
            .value("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO='STOP SLAVE'")
            .await
            == "1"
    })
    .await;
    lock.close().await;
    stopping.await.unwrap().unwrap();
    let before = replica.status().await;
    assert!(
        !before.is_drained(),
        "the worker stops before it has applied all"
    );
    replica.run("START SLAVE").await;
    until("it tries to receive", || async {
        replica.status().await.receiving == Receiving::Connecting
    })
    .await;
    let after = replica.status().await;
    assert!(
        !after.received.covers(&received),
        "the relay log is gone: {} of {received}",
        after.received
    );
    assert_ne!(rows(replica).await, "20");
}

#[tokio::test]
async fn primary_switch_left_on_at_a_replica_stalls_apply_while_all_seems_well() {
    let nodes = cluster(1, true).await;
    let (primary, replica) = (&nodes[0], &nodes[1]);
    replica
        .run("SET GLOBAL rpl_semi_sync_master_enabled=ON")
        .await;
    primary.run("INSERT INTO test.t (v) VALUES (1)").await;
    let stalled = || async {
        let state = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for semi-sync ACK%'";
        replica.value(state).await != "0"
    };
    until("a worker waits for an acknowledgement", stalled).await;
    let status = replica.status().await;
    assert!(status.is_applying() && status.receiving == Receiving::Running && !status.is_drained());
}

#[tokio::test]
async fn kill_query_acknowledges_a_write_that_no_replica_has() {
    let nodes = cluster(1, true).await;
    let primary = &nodes[0];
    primary
        .server
        .set_semi_sync_primary(SemiSync::On, LIMIT)
        .await
        .unwrap();
    nodes[1].server.stop_receiving(LIMIT).await.unwrap();
    let waiting = primary.begin("INSERT INTO test.t (v) VALUES (1)").await;
    until("it waits", || async {
        primary.status().await.commits_waiting == 1
    })
    .await;
    let id = primary
        .value("SELECT ID FROM information_schema.PROCESSLIST WHERE INFO LIKE 'INSERT%'")
        .await;
    primary.run(&format!("KILL QUERY {id}")).await;
    waiting
        .await
        .unwrap()
        .expect("OK for a write that only the primary has");
    assert_eq!(rows(&nodes[1]).await, "0");
}

#[tokio::test]
async fn graceful_stop_commits_the_unacknowledged_tail_for_good() {
    let nodes = cluster(1, true).await;
    let primary = &nodes[0];
    primary
        .server
        .set_semi_sync_primary(SemiSync::On, LIMIT)
        .await
        .unwrap();
    let before = primary.status().await.binlog;
    nodes[1].server.stop_receiving(LIMIT).await.unwrap();
    let waiting = primary.begin("INSERT INTO test.t (v) VALUES (1)").await;
    until("it waits", || async {
        primary.status().await.commits_waiting == 1
    })
    .await;
    primary.server.stop(LIMIT).await.unwrap();
    waiting
        .await
        .unwrap()
        .expect_err("the client hears of no success");
    primary
        .server
        .start(StartAs::Destructive, LIMIT)
        .await
        .unwrap();
    assert_eq!(
        rows(primary).await,
        "1",
        "also the destructive role does not rewind it"
    );
    assert_eq!(primary.status().await.binlog.missing_from(&before), 0);
    assert_eq!(before.missing_from(&primary.status().await.binlog), 1);
}

/// `received` is then too great: whoever sets a position back must also RESET SLAVE ALL.
#[tokio::test]
async fn received_position_survives_setting_the_applied_one_back() {
    let nodes = cluster(1, true).await;
    let replica = &nodes[1];
    let before = replica.server.stop_receiving(LIMIT).await.unwrap();
    replica
        .run("STOP SLAVE; SET GLOBAL gtid_slave_pos=''")
        .await;
    replica
        .run("CHANGE MASTER TO master_use_gtid=slave_pos")
        .await;
    assert_eq!(replica.status().await.received, before);
    replica.run("RESET SLAVE ALL").await;
    assert!(replica.status().await.received.is_empty());
}

/// A server that lost transactions of its own (a rewind, a restored copy) gets them back only while it acknowledges.
#[tokio::test]
async fn own_transactions_are_passed_over_by_a_replica_that_does_not_acknowledge() {
    for (semi_sync, expected) in [(false, "0"), (true, "1")] {
        let nodes = cluster(1, semi_sync).await;
        let (primary, replica) = (&nodes[0], &nodes[1]);
        // As if the replica had written it in an earlier life: its server_id is 2.
        primary
            .run("SET SESSION server_id=2; INSERT INTO test.t (v) VALUES (1)")
            .await;
        let end = primary.status().await.binlog;
        primary
            .run("INSERT INTO test.t (id, v) VALUES (100, 2)")
            .await;
        until("the row after it is there", || async {
            replica.value("SELECT COUNT(*) FROM test.t WHERE v=2").await == "1"
        })
        .await;
        assert_eq!(
            replica.value("SELECT COUNT(*) FROM test.t WHERE v=1").await,
            expected,
            "semi-sync {semi_sync}"
        );
        assert!(
            replica.status().await.applied.covers(&end),
            "nothing tells of it"
        );
    }
}
