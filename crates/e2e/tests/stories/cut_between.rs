//! Only the link between the two data nodes is cut; both see the witness. The primary is healthy
//! and stays: it takes the replica out and goes on; when the link is back the replica returns.

use anyhow::ensure;
use trial::Status;

use crate::stage::{LIMIT, Measured, Shape, needs_cables, tell};

#[tokio::test(flavor = "multi_thread")]
async fn link_when_cut_between_healthy_nodes_then_the_primary_stays() {
    const NAME: &str = "cut between";
    if needs_cables(NAME) {
        return;
    }
    tell(NAME, Shape::TwoAndWitness, async |stage| {
        let primary = [stage.primary.clone()];
        let epoch = stage.cluster.status(&stage.primary).await?.epoch;
        let at = stage.cluster.part(&stage.primary, &stage.replicas[0])?;
        let is_alone = |status: &Status| status.in_sync.is_empty();
        stage
            .cluster
            .wait_until("the primary goes on alone", LIMIT, is_alone)
            .await?;
        stage.flows(&primary).await?;
        stage.cluster.reunite(&stage.primary, &stage.replicas[0])?;
        stage.cluster.wait_settled(LIMIT).await?;
        let status = stage.cluster.status(&stage.primary).await?;
        ensure!(
            status.epoch == epoch,
            "a healthy primary was replaced: {}",
            status.summary()
        );
        Ok(Measured::new(at, primary.to_vec()))
    })
    .await;
}
