//! Following, stopping, draining. The trap itself is shown in `control.rs`.

use std::time::{Duration, Instant};

use mariadb::{Apply, Error, Receiving, SemiSync};

use crate::fixture::{LIMIT, Node, cluster, until};

const SHORT: Duration = Duration::from_millis(300);

/// Primary with semi-sync on and one replica whose apply is blocked by a lock after `rows` acknowledged inserts;
/// the primary is killed. Returns the nodes and the session that holds the lock.
pub(crate) async fn undrained(rows: u32) -> (Vec<Node>, mariadb::Sql) {
    let nodes = cluster(1, true).await;
    nodes[0]
        .server
        .set_semi_sync_primary(SemiSync::On, LIMIT)
        .await
        .unwrap();
    let mut lock = nodes[1].sql().await;
    lock.run("test", "LOCK TABLE test.t WRITE", LIMIT)
        .await
        .unwrap();
    let mut sql = nodes[0].sql().await;
    for _ in 0..rows {
        sql.run("test", "INSERT INTO test.t (v) VALUES (1)", LIMIT)
            .await
            .unwrap();
    }
    nodes[0].server.kill(LIMIT).await.unwrap();
    nodes[1].tunnel.cut();
    (nodes, lock)
}

pub(crate) async fn rows(node: &Node) -> String {
    node.value("SELECT COUNT(*) FROM test.t").await
}

#[tokio::test]
async fn follow_when_semi_sync_then_its_acknowledgements_count() {
    let nodes = cluster(1, true).await;
    let (primary, replica) = (&nodes[0], &nodes[1]);
    until("it is counted", || async {
        primary.status().await.semi_sync_clients == 1
    })
    .await;
    primary
        .server
        .set_semi_sync_primary(SemiSync::On, LIMIT)
        .await
        .unwrap();
    primary.run("INSERT INTO test.t (v) VALUES (1)").await;
    let end = primary.status().await.binlog;
    assert!(
        replica.status().await.received.covers(&end),
        "received before it was acknowledged"
    );
    assert!(replica.server.wait_applied(&end, LIMIT).await.unwrap());
    let status = replica.status().await;
    assert_eq!(
        (status.receiving, status.apply.clone()),
        (Receiving::Running, Apply::Running)
    );
    assert!(status.semi_sync_replica_active && status.is_drained() && status.source.is_some());
    assert_eq!(rows(replica).await, "1");
    // Again it changes nothing and interrupts nothing.
    let again = replica.server.follow(true, LIMIT).await.unwrap();
    assert_eq!(again.receiving, Receiving::Running);
}

#[tokio::test]
async fn follow_when_async_then_its_acknowledgements_do_not_count() {
    let nodes = cluster(1, false).await;
    let (primary, replica) = (&nodes[0], &nodes[1]);
    primary
        .server
        .set_semi_sync_primary(SemiSync::On, LIMIT)
        .await
        .unwrap();
    let waiting = primary.begin("INSERT INTO test.t (v) VALUES (1)").await;
    until("it waits", || async {
        primary.status().await.commits_waiting == 1
    })
    .await;
    assert_eq!(primary.status().await.semi_sync_clients, 0);
    // Made a member, it gets the transaction again and acknowledges it.
    replica.server.stop_receiving(LIMIT).await.unwrap();
    replica.server.start_receiving(true, LIMIT).await.unwrap();
    until("it is counted", || async {
        primary.status().await.semi_sync_clients == 1
    })
    .await;
    primary.run("INSERT INTO test.t (v) VALUES (2)").await;
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn start_receiving_when_it_receives_in_the_other_mode_then_the_mode_changes() {
    let nodes = cluster(1, true).await;
    until("it is counted", || async {
        nodes[0].status().await.semi_sync_clients == 1
    })
    .await;
    nodes[1].server.start_receiving(false, LIMIT).await.unwrap();
    until("it is not counted", || async {
        nodes[0].status().await.semi_sync_clients == 0
    })
    .await;
    until("it receives", || async {
        nodes[1].status().await.receiving == Receiving::Running
    })
    .await;
    nodes[1].server.follow(true, LIMIT).await.unwrap();
    until("it is counted", || async {
        nodes[0].status().await.semi_sync_clients == 1
    })
    .await;
}

#[tokio::test]
async fn promote_when_the_relay_log_is_undrained_then_nothing_is_lost() {
    let (nodes, lock) = undrained(20).await;
    let replica = &nodes[1];
    let begun = Instant::now();
    let received = replica.server.stop_receiving(LIMIT).await.unwrap();
    println!("receiving stopped in {:?}", begun.elapsed());
    assert_eq!(
        replica.server.stop_receiving(LIMIT).await.unwrap(),
        received,
        "again is the same"
    );
    let status = replica.status().await;
    assert!(status.backlog() >= 20 && !status.is_drained(), "{status:?}");
    assert!(matches!(
        replica.server.promote(LIMIT).await,
        Err(Error::NotDrained { .. })
    ));
    assert!(matches!(
        replica.server.follow(true, SHORT).await,
        Err(Error::NotDrained { .. })
    ));
    assert!(!replica.server.wait_applied(&received, SHORT).await.unwrap());
    lock.close().await;
    assert!(replica.server.wait_applied(&received, LIMIT).await.unwrap());
    let position = replica.server.promote(LIMIT).await.unwrap();
    assert!(position.same_as(&received));
    assert_eq!(
        replica.server.promote(LIMIT).await.unwrap(),
        position,
        "again is the same"
    );
    let status = replica.status().await;
    assert!(status.source.is_none() && status.is_read_only && !status.semi_sync_replica);
    assert_eq!(rows(replica).await, "20");
}

#[tokio::test]
async fn start_receiving_when_apply_is_stopped_and_undrained_then_it_is_refused() {
    let (nodes, lock) = undrained(5).await;
    let replica = &nodes[1];
    replica.server.stop_receiving(LIMIT).await.unwrap();
    let stopping = replica.begin("STOP SLAVE SQL_THREAD").await;
    lock.close().await;
    stopping.await.unwrap().unwrap();
    let status = replica.status().await;
    if status.is_drained() {
        // It may have applied all in between: then there is nothing to refuse.
        return;
    }
    assert!(matches!(
        replica.server.start_receiving(true, LIMIT).await,
        Err(Error::NotDrained { .. })
    ));
    assert!(matches!(
        replica.server.promote(LIMIT).await,
        Err(Error::NotDrained { .. })
    ));
    assert!(matches!(
        replica.server.wait_applied(&status.received, LIMIT).await,
        Err(Error::ApplyStopped { .. })
    ));
}

#[tokio::test]
async fn wait_applied_when_apply_fails_then_it_says_why_at_once() {
    let nodes = cluster(1, false).await;
    let (primary, replica) = (&nodes[0], &nodes[1]);
    replica
        .run("SET sql_log_bin=0; INSERT INTO test.t VALUES (1, 0)")
        .await;
    primary.run("INSERT INTO test.t VALUES (1, 1)").await;
    let end = primary.status().await.binlog;
    match replica.server.wait_applied(&end, LIMIT).await {
        Err(Error::ApplyStopped { code, text, .. }) => assert_eq!(code, 1062, "{text}"),
        other => panic!("{other:?}"),
    }
    let Apply::Failed(failure) = replica.status().await.apply else {
        panic!("apply runs")
    };
    assert_eq!(failure.code, 1062);
}

#[tokio::test]
async fn start_receiving_when_there_is_no_source_then_it_is_refused() {
    let node = Node::new(1).await;
    node.start().await;
    assert!(matches!(
        node.server.start_receiving(true, LIMIT).await,
        Err(Error::NotAReplica)
    ));
    assert!(node.server.stop_receiving(LIMIT).await.unwrap().is_empty());
}

#[tokio::test]
async fn follow_when_the_server_is_open_or_holds_the_primarys_switch_then_it_is_refused() {
    let node = Node::new(1).await;
    node.start().await;
    node.open().await;
    assert!(matches!(
        node.server.follow(true, LIMIT).await,
        Err(Error::NotReadOnly)
    ));
    node.server.set_read_only(true, LIMIT).await.unwrap();
    node.server
        .set_semi_sync_primary(SemiSync::On, LIMIT)
        .await
        .unwrap();
    assert!(matches!(
        node.server.follow(true, LIMIT).await,
        Err(Error::SemiSyncPrimaryOn)
    ));
    node.server
        .set_semi_sync_primary(SemiSync::Off, LIMIT)
        .await
        .unwrap();
    node.server.follow(true, LIMIT).await.unwrap();
    assert!(matches!(
        node.server.set_semi_sync_primary(SemiSync::On, LIMIT).await,
        Err(Error::IsReplica)
    ));
}

#[tokio::test]
async fn status_when_the_replica_is_errant_then_error_1236_is_told() {
    let nodes = cluster(1, false).await;
    nodes[1].server.stop_receiving(LIMIT).await.unwrap();
    nodes[1].run("INSERT INTO test.t (v) VALUES (7)").await;
    nodes[1].run("STOP SLAVE").await;
    let errant = nodes[1].status().await.binlog;
    nodes[1]
        .run(&format!("SET GLOBAL gtid_slave_pos='{errant}'"))
        .await;
    nodes[1].server.follow(false, LIMIT).await.unwrap();
    let told = || async {
        nodes[1]
            .status()
            .await
            .receiving_error
            .is_some_and(|e| e.code == 1236)
    };
    until("error 1236", told).await;
}

#[tokio::test]
async fn switchover_by_these_primitives_then_roles_are_exchanged_and_nothing_is_lost() {
    let nodes = cluster(1, true).await;
    let (old, new) = (&nodes[0], &nodes[1]);
    old.server
        .set_semi_sync_primary(SemiSync::On, LIMIT)
        .await
        .unwrap();
    for _ in 0..20 {
        old.run("INSERT INTO test.t (v) VALUES (1)").await;
    }
    let begun = Instant::now();
    let end = old.server.demote(LIMIT).await.unwrap();
    assert!(new.server.wait_applied(&end, LIMIT).await.unwrap());
    assert!(new.server.promote(LIMIT).await.unwrap().same_as(&end));
    new.server
        .set_semi_sync_primary(SemiSync::On, LIMIT)
        .await
        .unwrap();
    old.tunnel.lead_to(new.server.settings().extra_port);
    old.server.follow(true, LIMIT).await.unwrap();
    new.open().await;
    new.run("INSERT INTO test.t (v) VALUES (2)").await;
    println!(
        "first acknowledged write {:?} after the beginning",
        begun.elapsed()
    );
    let again = old.server.demote(LIMIT).await.unwrap();
    assert!(again.covers(&end), "again is no error");
    let end = new.status().await.binlog;
    assert!(old.server.wait_applied(&end, LIMIT).await.unwrap());
    assert_eq!(
        (rows(old).await, rows(new).await),
        ("21".to_owned(), "21".to_owned())
    );
}
