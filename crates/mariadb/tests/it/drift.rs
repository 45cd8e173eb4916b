//! Enforced settings that somebody changed on the running server.

use mariadb::Remedy;

use crate::fixture::{Node, cluster};

#[tokio::test]
async fn drift_when_nothing_was_changed_then_there_is_none() {
    let node = Node::new(1).await;
    node.start().await;
    assert_eq!(node.server.drift().await.unwrap(), []);
}

#[tokio::test]
async fn enforce_when_settings_were_changed_then_they_are_set_back() {
    let node = Node::new(1).await;
    node.start().await;
    node.run(
        "SET GLOBAL sync_binlog=0, GLOBAL innodb_flush_log_at_trx_commit=2, GLOBAL gtid_strict_mode=OFF, \
         GLOBAL binlog_format='MIXED', GLOBAL rpl_semi_sync_master_timeout=100, \
         GLOBAL rpl_semi_sync_master_wait_point='AFTER_COMMIT', GLOBAL init_slave='DO 1'",
    )
    .await;
    let found = node.server.drift().await.unwrap();
    let names: Vec<_> = found.iter().map(|d| (d.name, d.found.as_str())).collect();
    assert_eq!(
        names,
        [
            ("sync_binlog", "0"),
            ("innodb_flush_log_at_trx_commit", "2"),
            ("binlog_format", "MIXED"),
            ("gtid_strict_mode", "OFF"),
            ("rpl_semi_sync_master_wait_point", "AFTER_COMMIT"),
            ("rpl_semi_sync_master_timeout", "100"),
            ("init_slave", "DO 1"),
        ]
    );
    let done = node.server.enforce().await.unwrap();
    assert!(done.iter().all(|d| d.remedy == Remedy::WasSet), "{done:?}");
    assert_eq!(node.server.drift().await.unwrap(), []);
}

#[tokio::test]
async fn enforce_when_parallel_apply_was_taken_away_then_it_is_reported() {
    let nodes = cluster(1, false).await;
    nodes[1]
        .run("STOP SLAVE SQL_THREAD; SET GLOBAL slave_parallel_threads=1; START SLAVE SQL_THREAD")
        .await;
    let found = nodes[1].server.enforce().await.unwrap();
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].name, found[0].remedy),
        ("slave_parallel_threads", Remedy::NeedsRestart)
    );
}
