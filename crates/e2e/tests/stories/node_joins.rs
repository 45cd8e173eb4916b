//! A third data node joins under load: it is cloned while writes go on, and counts in the end.

use std::time::Instant;

use trial::Status;

use crate::stage::{LIMIT, Measured, Shape, tell};

const NEW: &str = "charlie";

#[tokio::test(flavor = "multi_thread")]
async fn node_when_it_joins_under_load_then_writes_go_on_and_it_is_in_sync() {
    tell("node joins", Shape::TwoWitnessAndSpare, async |stage| {
        let at = Instant::now();
        stage.cluster.join(NEW, &stage.primary).await?;
        let counts = |status: &Status| {
            let is_replica = status.node(NEW).is_some_and(|node| node.role == "replica");
            is_replica && status.in_sync.iter().any(|name| name == NEW)
        };
        stage
            .cluster
            .wait_until("the new node is in sync", LIMIT, counts)
            .await?;
        stage.flows(&stage.everyone()).await?;
        Ok(Measured::new(at, stage.everyone()))
    })
    .await;
}
