//! Nothing that only one node holds is thrown away unseen.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cluster::Applying;

use crate::node::{LIMIT, Node, force, in_sync, shop};
use crate::story::signal;

/// Waits for a saved tail that shows `row` as an inserted row.
async fn saved(node: &Node, row: &str) {
    let start = Instant::now();
    let dir = node.server.saved_tails_dir();
    while !has(&dir, &format!("###   @1={row}")) {
        assert!(
            start.elapsed() < LIMIT,
            "row {row} is in no file of `{}`",
            dir.display()
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn has(dir: &Path, line: &str) -> bool {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    files
        .filter(|file| {
            file.path()
                .extension()
                .is_some_and(|ending| ending == "sql")
        })
        .any(|file| {
            std::fs::read_to_string(file.path())
                .unwrap()
                .lines()
                .any(|l| l.trim() == line)
        })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_made_by_hand_on_a_replica_then_saved_before_its_data_are_replaced() {
    let (alpha, bravo) = shop().await;
    let data = bravo.view().data;
    // Nothing is written on the primary after it: it is found by itself.
    bravo
        .until("has applied it", |view| {
            let running = view.server.running();
            running.is_some_and(|running| running.lag_ms == Some(0) && running.is_drained())
        })
        .await;
    bravo.write("INSERT INTO shop.t VALUES (77)").await;
    saved(&bravo, "77").await;
    bravo.until("cloned", |view| view.data != data).await;
    alpha
        .until("protected again", |view| in_sync(view) == ["bravo"])
        .await;
    assert_eq!(
        bravo
            .value("SELECT COUNT(*) FROM shop.t WHERE i = 77")
            .await,
        "0"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_lone_primary_acknowledged_when_it_is_deposed_by_force_then_saved_before_recovery() {
    let (alpha, bravo) = shop().await;
    let end = alpha.server.status(LIMIT).await.unwrap().binlog;
    assert!(bravo.server.wait_applied(&end, LIMIT).await.unwrap());
    let pid = bravo.server.find_running().await.unwrap();
    signal(pid, "-STOP");
    alpha.until("alone", |view| in_sync(view).is_empty()).await;
    alpha.write("INSERT INTO shop.t VALUES (88)").await;
    force(&alpha.register, &bravo, end);
    saved(&alpha, "88").await;
    signal(pid, "-CONT");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_that_only_a_replica_holds_then_it_takes_over_with_it_by_the_operators_word_only() {
    let (alpha, bravo) = shop().await;
    bravo
        .until("has applied it", |view| {
            let running = view.server.running();
            running.is_some_and(|running| running.lag_ms == Some(0) && running.is_drained())
        })
        .await;
    // So that it is still in sync when its primary is lost.
    alpha.register.hangs.store(true, Ordering::Relaxed);
    bravo.write("INSERT INTO shop.t VALUES (77)").await;
    drop(alpha);
    bravo
        .until("fenced, and found out", |view| {
            let failed = view.server.running().map(|running| &running.applying);
            view.memory.promise.is_some() && matches!(failed, Some(Applying::Failed(_)))
        })
        .await;
    let me = bravo.view().me.clone();
    let refused = bravo.handle.failover(me.clone(), false).await.unwrap_err();
    let told = refused.to_string();
    assert!(told.contains("writes of its own"), "{told}");
    assert_eq!(bravo.view().serving(), None);
    bravo.handle.failover(me, true).await.unwrap();
    bravo.until("serves", |view| view.serving().is_some()).await;
    let found = bravo
        .value("SELECT COUNT(*) FROM shop.t WHERE i = 77")
        .await;
    assert_eq!(found, "1");
}
