//! The primary is cut off while an administrator changes definitions and a table that cannot roll
//! back. Another one takes over. Recovery cannot take such a tail out again: it is saved, and the
//! node becomes a copy of the new primary.

use std::time::Instant;

use anyhow::{Result, ensure};
use trial::Fault;

use crate::stage::{LIMIT, Measured, Shape, Stage, needs_cables, tell};

const NOT_ROLLED_BACK: &str = "INSERT INTO story.aria VALUES (88)";
const DEFINED: &str = "ALTER TABLE story.own ADD COLUMN lost INT";
const DEFINITION: &str = "SELECT COUNT(*) FROM information_schema.COLUMNS \
                          WHERE TABLE_SCHEMA='story' AND COLUMN_NAME='lost'";

async fn story(name: &str, shape: Shape) {
    if needs_cables(name) {
        return;
    }
    tell(name, shape, async |stage| {
        let old = stage.primary.clone();
        stage.own_table(1).await?;
        let make = "CREATE TABLE story.aria (id INT NOT NULL) ENGINE=Aria TRANSACTIONAL=0";
        stage.by_hand(&old, &[make]).await?;
        stage
            .same_everywhere("SELECT COUNT(*) FROM story.aria")
            .await?;
        let at = Instant::now();
        // Why: of what waits for an acknowledgement only the first two stand in the binlog.
        let calm = stage.calm().await?;
        let cut = stage.strike_primary(Fault::PullCable)?;
        for sql in [NOT_ROLLED_BACK, DEFINED] {
            waits(stage, &old, sql).await?;
        }
        stage.another_primary().await?;
        drop(calm);
        stage.flows(&stage.replicas).await?;
        stage.cluster.heal(&cut)?;
        stage.saved(&old, "@1=88").await?;
        stage.saved(&old, DEFINED).await?;
        stage.cluster.wait_settled(LIMIT).await?;
        for node in stage.everyone() {
            stage.until(&node, DEFINITION, "0").await?;
            let rows = "SELECT COUNT(*) FROM story.aria";
            stage.until(&node, rows, "0").await?;
        }
        Ok(Measured::new(at, stage.replicas.clone()))
    })
    .await;
}

/// Begins it; returns when it stands in the binlog and waits there for an acknowledgement.
async fn waits(stage: &Stage, node: &str, sql: &'static str) -> Result<()> {
    let before = stage.ask(node, "SELECT @@gtid_binlog_pos").await?;
    let mut session = stage.cluster.as_administrator(node).await?;
    tokio::spawn(async move { session.execute(sql, LIMIT).await });
    let start = Instant::now();
    while stage.ask(node, "SELECT @@gtid_binlog_pos").await? == before {
        ensure!(start.elapsed() < LIMIT, "`{sql}` is in no binlog");
        tokio::task::yield_now().await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_when_it_cannot_be_rolled_back_then_it_is_saved_and_the_node_rebuilt() {
    story("tail of definitions", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tail_when_it_cannot_be_rolled_back_among_three_then_it_is_saved_and_the_node_rebuilt() {
    story("tail of definitions, three nodes", Shape::Three).await;
}
