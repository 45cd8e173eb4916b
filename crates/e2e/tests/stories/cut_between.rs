//! Only the link between the primary and a replica is cut; both see the third node. The primary is healthy
//! and stays: it takes the replica out and goes on; when the link is back the replica returns.

use anyhow::ensure;
use trial::Status;

use crate::stage::{LIMIT, Measured, Shape, needs_cables, tell};

async fn story(name: &str, shape: Shape) {
    if needs_cables(name) {
        return;
    }
    tell(name, shape, async |stage| {
        let mut others = stage.everyone();
        others.retain(|name| *name != stage.replicas[0]);
        let epoch = stage.cluster.status(&stage.primary).await?.epoch;
        let at = stage.cluster.part(&stage.primary, &stage.replicas[0])?;
        let is_without = |status: &Status| !status.in_sync.contains(&stage.replicas[0]);
        stage
            .cluster
            .wait_until("the primary goes on without it", LIMIT, is_without)
            .await?;
        stage.flows(&others).await?;
        stage.cluster.reunite(&stage.primary, &stage.replicas[0])?;
        stage.cluster.wait_settled(LIMIT).await?;
        let status = stage.cluster.status(&stage.primary).await?;
        ensure!(
            status.epoch == epoch,
            "a healthy primary was replaced: {}",
            status.summary()
        );
        Ok(Measured::new(at, others))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn link_when_cut_between_healthy_nodes_then_the_primary_stays() {
    story("cut between", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn link_when_cut_between_two_of_three_then_the_primary_stays() {
    story("cut between, three nodes", Shape::Three).await;
}
