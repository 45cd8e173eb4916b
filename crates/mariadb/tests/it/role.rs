//! Switches of a role under waiting commits: nothing of ours makes a false acknowledgement.

use std::time::{Duration, Instant};

use mariadb::{Error, SemiSync};

use crate::fixture::{LIMIT, Node, cluster, until};
use crate::replication::rows;

/// A primary cut off from its replica, with one insert that waits.
async fn isolated() -> (Vec<Node>, tokio::task::JoinHandle<mariadb::Result<()>>) {
    let nodes = cluster(1, true).await;
    nodes[0]
        .server
        .set_semi_sync_primary(SemiSync::On, LIMIT)
        .await
        .unwrap();
    nodes[1].server.stop_receiving(LIMIT).await.unwrap();
    let waiting = nodes[0].begin("INSERT INTO test.t (v) VALUES (1)").await;
    until("it waits", || async {
        nodes[0].status().await.commits_waiting == 1
    })
    .await;
    (nodes, waiting)
}

#[tokio::test]
async fn semi_sync_off_when_a_commit_waits_then_it_is_refused() {
    let (nodes, waiting) = isolated().await;
    let server = &nodes[0].server;
    assert!(matches!(
        server.set_semi_sync_primary(SemiSync::Off, LIMIT).await,
        Err(Error::CommitsWaiting(1))
    ));
    assert!(nodes[0].status().await.semi_sync_primary);
    assert!(!waiting.is_finished());
    // The replica comes back: the commit is acknowledged in the ordinary way.
    nodes[1].server.start_receiving(true, LIMIT).await.unwrap();
    waiting.await.unwrap().unwrap();
    assert!(matches!(
        server.set_semi_sync_primary(SemiSync::Off, LIMIT).await,
        Err(Error::NotReadOnly)
    ));
}

#[tokio::test]
async fn semi_sync_off_when_the_ledger_says_nobody_is_in_sync_then_waiting_commits_end() {
    let (nodes, waiting) = isolated().await;
    nodes[0]
        .server
        .set_semi_sync_primary(SemiSync::OffByLedger { revision: 7 }, LIMIT)
        .await
        .unwrap();
    waiting.await.unwrap().unwrap();
    assert_eq!(rows(&nodes[0]).await, "1");
}

#[tokio::test]
async fn read_only_when_a_commit_waits_then_the_attempt_is_withdrawn_and_nobody_is_acknowledged() {
    let (nodes, waiting) = isolated().await;
    let server = &nodes[0].server;
    let limit = Duration::from_millis(500);
    let begun = Instant::now();
    assert!(matches!(
        server.set_read_only(true, limit).await,
        Err(Error::Timeout { .. })
    ));
    println!("closing was withdrawn after {:?}", begun.elapsed());
    assert!(matches!(
        server.demote(limit).await,
        Err(Error::Timeout { .. })
    ));
    let closing = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SET GLOBAL read_only%'";
    until("no attempt is left", || async {
        nodes[0].value(closing).await == "0"
    })
    .await;
    assert!(!nodes[0].status().await.is_read_only);
    assert!(
        !waiting.is_finished(),
        "our withdrawal acknowledged nothing"
    );
    let second = nodes[0].begin("INSERT INTO test.t (v) VALUES (2)").await;
    nodes[1].server.start_receiving(true, LIMIT).await.unwrap();
    waiting.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    server.set_read_only(true, LIMIT).await.unwrap();
}

#[tokio::test]
async fn demote_when_no_commit_waits_then_the_position_is_the_end_of_the_binlog() {
    let node = Node::new(1).await;
    node.start().await;
    node.open().await;
    node.run("CREATE DATABASE test; CREATE TABLE test.t (v INT); INSERT INTO test.t VALUES (1)")
        .await;
    node.server
        .set_semi_sync_primary(SemiSync::OffByLedger { revision: 1 }, LIMIT)
        .await
        .unwrap();
    let end = node.status().await.binlog;
    assert_eq!(node.server.demote(LIMIT).await.unwrap(), end);
    let status = node.status().await;
    assert!(status.is_read_only && !status.semi_sync_primary && status.applied == end);
}

#[tokio::test]
async fn semi_sync_when_it_gave_up_waiting_then_switching_it_on_makes_it_wait_again() {
    let node = Node::new(1).await;
    node.start().await;
    let waits = async || node.server.status(LIMIT).await.unwrap();
    let on = async || {
        let switched = node.server.set_semi_sync_primary(SemiSync::On, LIMIT);
        switched.await.unwrap();
    };
    on().await;
    assert!(waits().await.semi_sync_primary_active);
    node.run(
        "SET GLOBAL read_only=0, GLOBAL rpl_semi_sync_master_timeout=1; CREATE DATABASE gave_up",
    )
    .await;
    assert!(waits().await.semi_sync_primary && !waits().await.semi_sync_primary_active);
    on().await;
    assert!(waits().await.semi_sync_primary_active);
    assert_eq!(node.server.drift().await.unwrap(), []);
}
