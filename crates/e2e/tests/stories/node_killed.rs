//! The primary's whole node dies: once heard by the others (connections are reset), once without
//! a word (the cable goes first). A replica takes over; the node comes back as a replica.

use trial::Fault;

use crate::stage::{Measured, Shape, needs_cables, tell};

async fn story(name: &str, shape: Shape, fault: Fault) {
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
async fn node_when_killed_then_a_replica_takes_over_and_it_comes_back() {
    story("node killed", Shape::TwoAndWitness, Fault::KillNode).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_when_killed_among_three_then_a_replica_takes_over_and_it_comes_back() {
    story("node killed, three nodes", Shape::Three, Fault::KillNode).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_when_it_vanishes_without_a_word_then_a_replica_takes_over_and_it_comes_back() {
    if !needs_cables("node vanishes") {
        story("node vanishes", Shape::TwoAndWitness, Fault::Vanish).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn node_when_frozen_then_a_replica_takes_over_and_it_wakes_as_a_replica() {
    story("node frozen", Shape::TwoAndWitness, Fault::FreezeNode).await;
}
