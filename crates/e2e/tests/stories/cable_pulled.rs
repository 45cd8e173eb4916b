//! The primary is cut off from everybody and lives: it must acknowledge nothing, a replica takes
//! over, and when the cable is back it becomes a replica. What it had not acknowledged is gone.

use trial::Fault;

use crate::stage::{Measured, Shape, needs_cables, tell};

async fn story(name: &str, shape: Shape, fault: Fault) {
    if needs_cables(name) {
        return;
    }
    tell(name, shape, async |stage| {
        let done = stage.strike_primary(fault)?;
        stage.another_primary().await?;
        stage.flows(&stage.replicas).await?;
        stage.cluster.heal(&done)?;
        Ok(Measured::new(done.at, stage.replicas.clone()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cable_when_pulled_then_a_replica_takes_over() {
    story("cable pulled", Shape::TwoAndWitness, Fault::PullCable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cable_when_pulled_among_three_then_a_replica_takes_over() {
    story("cable pulled, three nodes", Shape::Three, Fault::PullCable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_when_they_vanish_then_a_replica_takes_over() {
    story("packets vanish", Shape::TwoAndWitness, Fault::Silence).await;
}
