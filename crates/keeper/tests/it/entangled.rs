//! A primary that dies in the middle of sending a transaction whose first half has locked what an earlier one needs.

use std::time::{Duration, Instant};

use crate::node::{LIMIT, Node, shop};
use crate::story::signal;

/// Waits until a thread of apply on this node is doing this.
async fn applies(node: &Node, condition: &str) {
    let text = format!(
        "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER='system user' AND {condition}"
    );
    let start = Instant::now();
    let mut sql = node.server.sql(LIMIT).await.unwrap();
    loop {
        let count = sql.value("test", &text, LIMIT).await.unwrap();
        if count.is_some_and(|count| count != "0") {
            return;
        }
        assert!(start.elapsed() < LIMIT, "never {condition}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_apply_waits_for_half_a_transaction_then_takes_over_all_the_same() {
    let (alpha, bravo) = shop().await;
    alpha
        .write("CREATE TABLE shop.large (i INT PRIMARY KEY, v LONGBLOB); CREATE TABLE shop.few (i INT PRIMARY KEY, v INT); INSERT INTO shop.few VALUES (1, 0), (2, 0)")
        .await;
    let end = alpha.server.status(LIMIT).await.unwrap().binlog;
    assert!(bravo.server.wait_applied(&end, LIMIT).await.unwrap());
    let mut lock = bravo.server.sql(LIMIT).await.unwrap();
    let select = "BEGIN; SELECT * FROM shop.few WHERE i=2 FOR UPDATE";
    lock.run("test", select, LIMIT).await.unwrap();
    alpha
        .write(
            "BEGIN; UPDATE shop.few SET v=1 WHERE i=2; UPDATE shop.few SET v=1 WHERE i=1; COMMIT",
        )
        .await;
    let end = alpha.server.status(LIMIT).await.unwrap().binlog;
    applies(&bravo, "INFO LIKE 'UPDATE shop.few%i=2'").await;
    // Its first event locks the row, and the others take a while on their way.
    let rows: Vec<_> = (0..12)
        .map(|row| format!("INSERT INTO shop.large VALUES ({row}, REPEAT('x', 15000000))"))
        .collect();
    let text = format!(
        "BEGIN; UPDATE shop.few SET v=2 WHERE i=1; {}; COMMIT",
        rows.join("; ")
    );
    let mut writer = alpha.server.sql(LIMIT).await.unwrap();
    let pid = alpha.server.find_running().await.unwrap();
    let writing = tokio::spawn(async move { writer.run("test", &text, LIMIT).await });
    applies(&bravo, "INFO LIKE 'INSERT INTO shop.large%'").await;
    signal(pid, "-KILL");
    assert!(writing.await.unwrap().is_err());
    lock.close().await;
    bravo
        .until("serves", |view| view.serving() == Some(2))
        .await;
    let status = bravo.server.status(LIMIT).await.unwrap();
    assert!(status.current.covers(&end));
    let rows =
        "SELECT CONCAT(GROUP_CONCAT(v), '; ', (SELECT COUNT(*) FROM shop.large)) FROM shop.few";
    assert_eq!(bravo.value(rows).await, "1,1; 0");
}
