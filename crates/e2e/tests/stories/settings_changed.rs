//! Somebody changes by hand what the protocol rests on: semi-sync, its timeout, durability on the
//! primary; `read_only` and semi-sync on a replica. It is set right by itself and said, nothing fails
//! over, and what is acknowledged afterwards survives the primary.
//!
//! What is acknowledged in the moment between cannot be guaranteed, and is not asked for here.

use std::time::Instant;

use anyhow::{Result, ensure};
use trial::Fault;

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

/// On the primary: what is done, what tells of it, what it must become again.
const ON_PRIMARY: [(&str, &str, &str); 6] = [
    (
        "SET GLOBAL rpl_semi_sync_master_enabled=OFF",
        "SELECT @@rpl_semi_sync_master_enabled",
        "1",
    ),
    (
        "SET GLOBAL rpl_semi_sync_master_timeout=1",
        "SELECT @@rpl_semi_sync_master_timeout",
        "18446744073709551615",
    ),
    (
        "SET GLOBAL rpl_semi_sync_master_wait_no_slave=OFF",
        "SELECT @@rpl_semi_sync_master_wait_no_slave",
        "1",
    ),
    (
        "SET GLOBAL rpl_semi_sync_master_wait_point=AFTER_COMMIT",
        "SELECT @@rpl_semi_sync_master_wait_point",
        "AFTER_SYNC",
    ),
    ("SET GLOBAL sync_binlog=0", "SELECT @@sync_binlog", "1"),
    (
        "SET GLOBAL innodb_flush_log_at_trx_commit=2",
        "SELECT @@innodb_flush_log_at_trx_commit",
        "1",
    ),
];

/// On a replica.
const ON_REPLICA: [(&str, &str, &str); 4] = [
    ("SET GLOBAL read_only=OFF", "SELECT @@read_only", "1"),
    (
        "SET GLOBAL rpl_semi_sync_master_enabled=ON",
        "SELECT @@rpl_semi_sync_master_enabled",
        "0",
    ),
    ("SET GLOBAL sync_binlog=0", "SELECT @@sync_binlog", "1"),
    (
        "SET GLOBAL innodb_flush_log_at_trx_commit=2",
        "SELECT @@innodb_flush_log_at_trx_commit",
        "1",
    ),
];

const WAITS: &str = "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS \
                     WHERE VARIABLE_NAME='Rpl_semi_sync_master_status'";

async fn story(name: &str, shape: Shape) {
    tell(name, shape, async |stage| {
        let (primary, replica) = (stage.primary.clone(), stage.replicas[0].clone());
        let at = Instant::now();
        let epoch = stage.cluster.any_status().await?.epoch;
        changed(stage, &primary, &ON_PRIMARY).await?;
        stage.until(&primary, WAITS, "ON").await?;
        changed(stage, &replica, &ON_REPLICA).await?;
        // It does not acknowledge any more from its next connection on.
        stage
            .by_hand(
                &replica,
                &[
                    "SET GLOBAL rpl_semi_sync_slave_enabled=OFF",
                    "STOP SLAVE IO_THREAD",
                    "START SLAVE IO_THREAD",
                ],
            )
            .await?;
        stage
            .until(&replica, "SELECT @@rpl_semi_sync_slave_enabled", "1")
            .await?;
        stage.cluster.wait_settled(LIMIT).await?;
        for (node, told) in [
            (&primary, "sets right what somebody changed"),
            (&primary, "set back to"),
            (&replica, "sets right what somebody changed"),
            (&replica, "set back to"),
        ] {
            stage.logs(node, told).await?;
        }
        let now = stage.cluster.any_status().await?;
        ensure!(now.epoch == epoch, "it led to {}", now.summary());
        stage.flows(&stage.everyone()).await?;
        stage.strike_primary(Fault::KillServer)?;
        stage.another_primary().await?;
        stage.flows(&stage.everyone()).await?;
        Ok(Measured::new(at, stage.everyone()))
    })
    .await;
}

/// Does them all at once, then waits until each is as it was.
async fn changed(stage: &Stage, node: &str, changes: &[(&str, &str, &str)]) -> Result<()> {
    let done: Vec<&str> = changes.iter().map(|(done, ..)| *done).collect();
    stage.by_hand(node, &done).await?;
    for (_, asked, wanted) in changes {
        stage.until(node, asked, wanted).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_when_changed_by_hand_then_they_are_set_right_and_nothing_is_lost() {
    story("settings changed by hand", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_when_changed_by_hand_among_three_then_they_are_set_right_and_nothing_is_lost() {
    story("settings changed by hand, three nodes", Shape::Three).await;
}
