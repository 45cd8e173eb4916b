//! Somebody writes on a replica by hand, and at once the primary's server dies: the replica must not
//! take over with a write that nobody else has. It is found within moments, saved to a file that the
//! status names, and the replica's data are replaced.
//!
//! Once with nothing else written meanwhile, so that no collision gives it away. And once the replica's server dies at
//! once, and forgets that it could not apply what the write collided with.

use std::time::Instant;

use anyhow::{Result, ensure};
use trial::Fault;

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

const WRITTEN: &str = "INSERT INTO story.own VALUES (66, 66), (67, 67)";
/// How a saved file shows it.
const SHOWN: &str = "###   @1=66";
const LEFT: &str = "SELECT COUNT(*) FROM story.own WHERE id IN (66, 67)";

async fn story(name: &str, shape: Shape) {
    tell(name, shape, async |stage| {
        let replica = stage.replicas[0].clone();
        stage.own_table(1).await?;
        let at = Instant::now();
        quietly(stage, &replica).await?;
        stage.cluster.wait_settled(LIMIT).await?;
        forget(stage, &replica)?;
        stage.by_hand(&replica, &[WRITTEN]).await?;
        stage.strike_primary(Fault::KillServer)?;
        never_with_it(stage, &replica).await?;
        stage.saved(&replica, SHOWN).await?;
        stage.cluster.wait_settled(LIMIT).await?;
        for node in stage.everyone() {
            stage.until(&node, LEFT, "0").await?;
        }
        stage.flows(&stage.everyone()).await?;
        Ok(Measured {
            at,
            gateways: stage.everyone(),
            limit: LIMIT,
        })
    })
    .await;
}

/// While no application writes.
async fn quietly(stage: &Stage, replica: &str) -> Result<()> {
    let calm = stage.calm().await?;
    stage.by_hand(replica, &[WRITTEN]).await?;
    stage.saved(replica, SHOWN).await?;
    stage.until(replica, LEFT, "0").await?;
    drop(calm);
    Ok(())
}

/// As an operator does who has read it.
fn forget(stage: &Stage, node: &str) -> Result<()> {
    let dir = stage.cluster.node(node)?.dir().join("data/saved-tails");
    Ok(std::fs::remove_dir_all(dir)?)
}

/// Until it holds it no more, it is not primary.
async fn never_with_it(stage: &Stage, replica: &str) -> Result<()> {
    let start = Instant::now();
    loop {
        let status = stage.cluster.status(replica).await?;
        let holds = stage.ask(replica, LEFT).await;
        if matches!(&holds, Ok(Some(rows)) if rows == "0") {
            return Ok(());
        }
        let own = status.node(replica).map_or("", |node| node.role.as_str());
        ensure!(
            status.primary.as_deref() != Some(replica) && own != "primary",
            "it took over with a write of its own: {}",
            status.summary()
        );
        ensure!(start.elapsed() < LIMIT, "it holds it still: {holds:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn write_when_made_by_hand_on_a_replica_then_it_never_takes_over_with_it() {
    story("write on a replica", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn write_when_made_by_hand_on_a_replica_among_three_then_it_never_takes_over_with_it() {
    story("write on a replica, three nodes", Shape::Three).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn write_when_made_by_hand_and_the_replica_dies_at_once_then_it_is_saved_all_the_same() {
    let name = "write on a replica that dies";
    tell(name, Shape::TwoAndWitness, async |stage| {
        let replica = stage.replicas[0].clone();
        stage.own_table(1).await?;
        stage
            .until(&replica, "SELECT COUNT(*) FROM story.own", "1")
            .await?;
        let at = Instant::now();
        stage.by_hand(&replica, &[WRITTEN]).await?;
        let done = stage.cluster.inject(&replica, Fault::KillServer)?;
        stage.cluster.heal(&done)?;
        stage.saved(&replica, SHOWN).await?;
        stage.until(&replica, LEFT, "0").await?;
        stage.cluster.wait_settled(LIMIT).await?;
        Ok(Measured {
            at,
            gateways: stage.everyone(),
            limit: LIMIT,
        })
    })
    .await;
}
