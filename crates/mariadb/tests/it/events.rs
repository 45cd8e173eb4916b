//! Scheduled events through a change of primary, and work that a switchover looks at.

use std::time::Duration;

use mariadb::SemiSync;

use crate::fixture::{LIMIT, cluster, until};

#[tokio::test]
async fn events_when_the_primary_changes_then_they_run_there_with_their_definer() {
    let nodes = cluster(1, true).await;
    let (old, new) = (&nodes[0], &nodes[1]);
    old.run(
        "CREATE USER app@localhost; CREATE DEFINER=app@localhost EVENT test.on_event ON SCHEDULE EVERY 1 DAY DO DO 1; \
         CREATE EVENT test.off_event ON SCHEDULE EVERY 1 DAY DISABLE DO DO 1",
    )
    .await;
    let disabled = old.server.disabled_events(LIMIT).await.unwrap();
    assert_eq!(disabled, ["test.off_event"]);
    let end = old.server.demote(LIMIT).await.unwrap();
    assert!(new.server.wait_applied(&end, LIMIT).await.unwrap());
    let state = "SELECT CONCAT(status, ' ', definer) FROM mysql.event WHERE name='on_event'";
    assert_eq!(new.value(state).await, "SLAVESIDE_DISABLED app@localhost");
    new.server.promote(LIMIT).await.unwrap();
    new.open().await;
    assert_eq!(
        new.server.enable_events(&disabled, LIMIT).await.unwrap(),
        ["test.on_event"]
    );
    assert_eq!(new.value(state).await, "ENABLED app@localhost");
    assert_eq!(
        new.server.enable_events(&disabled, LIMIT).await.unwrap(),
        Vec::<String>::new()
    );
    assert!(
        !new.status().await.event_scheduler,
        "nobody asked for the scheduler"
    );
    assert_eq!(
        new.value("SELECT status FROM mysql.event WHERE name='off_event'")
            .await,
        "SLAVESIDE_DISABLED"
    );
    old.tunnel.lead_to(new.server.settings().extra_port);
    old.server.follow(true, LIMIT).await.unwrap();
    let end = new.status().await.binlog;
    assert!(old.server.wait_applied(&end, LIMIT).await.unwrap());
    assert_eq!(
        old.value(state).await,
        "SLAVESIDE_DISABLED app@localhost",
        "it runs in one place only"
    );
}

#[tokio::test]
async fn activity_when_a_transaction_is_open_and_ddl_runs_then_both_are_told() {
    let nodes = cluster(1, true).await;
    let primary = &nodes[0];
    let mut open = primary.sql().await;
    open.run("test", "BEGIN; INSERT INTO test.t (v) VALUES (1)", LIMIT)
        .await
        .unwrap();
    let ddl = primary.begin("ALTER TABLE test.t ADD COLUMN w INT").await;
    let told = || async {
        let found = primary.server.activity(LIMIT).await.unwrap();
        found.ddl.len() == 1
            && found
                .transactions
                .iter()
                .any(|t| t.session == u64::from(open.id()) && t.rows_changed == 1)
    };
    until("both are told", told).await;
    assert!(
        primary
            .server
            .long_ddl_running(Duration::ZERO, LIMIT)
            .await
            .unwrap()
    );
    assert!(
        !primary
            .server
            .long_ddl_running(Duration::from_mins(10), LIMIT)
            .await
            .unwrap()
    );
    open.run("test", "COMMIT", LIMIT).await.unwrap();
    ddl.await.unwrap().unwrap();
    primary.server.set_read_only(true, LIMIT).await.unwrap();
    primary
        .server
        .set_semi_sync_primary(SemiSync::Off, LIMIT)
        .await
        .unwrap();
    assert!(primary.server.activity(LIMIT).await.unwrap().ddl.is_empty());
}
