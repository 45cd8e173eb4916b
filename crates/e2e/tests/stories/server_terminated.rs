//! Somebody ends the database server in order (SIGTERM), past the agent: first the primary's, then
//! a replica's. A graceful end commits locally what nobody else has: none of that was acknowledged,
//! none of it stays. The agent brings the server back, or another node takes over.

use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

async fn story(name: &str, shape: Shape) {
    tell(name, shape, async |stage| {
        let at = Instant::now();
        let primary = stage.primary.clone();
        terminate(stage, &primary).await.context("the primary's")?;
        let now = stage.cluster.primary().await?;
        let everyone = stage.everyone();
        let replica = everyone.iter().find(|name| **name != now);
        let replica = replica.context("there is no replica")?;
        let epoch = stage.cluster.any_status().await?.epoch;
        terminate(stage, replica).await.context("the replica's")?;
        let status = stage.cluster.any_status().await?;
        ensure!(
            status.epoch == epoch,
            "the primary was replaced because of a replica: {}",
            status.summary()
        );
        Ok(Measured::new(at, everyone))
    })
    .await;
}

/// Ends its server and waits until everything is as it should be.
async fn terminate(stage: &Stage, node: &str) -> Result<()> {
    stage.cluster.terminate_server(node)?;
    stage.flows(&stage.everyone()).await?;
    stage.cluster.wait_settled(LIMIT).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_told_to_end_by_hand_then_nothing_is_lost_and_it_is_back() {
    story("server terminated", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_told_to_end_by_hand_among_three_then_nothing_is_lost_and_it_is_back() {
    story("server terminated, three nodes", Shape::Three).await;
}
