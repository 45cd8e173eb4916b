//! The primary's database server hangs (stopped, its port still accepts) and wakes after another
//! has taken over: what it then does must never be acknowledged, and it becomes a replica.

use trial::Fault;

use crate::stage::{Measured, Shape, tell};

async fn story(name: &str, shape: Shape) {
    tell(name, shape, async |stage| {
        let done = stage.strike_primary(Fault::FreezeServer)?;
        stage.another_primary().await?;
        stage.flows(&stage.everyone()).await?;
        stage.cluster.heal(&done)?;
        Ok(Measured::new(done.at, stage.everyone()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_frozen_and_woken_then_a_replica_has_taken_over() {
    story("server frozen", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_frozen_and_woken_among_three_then_a_replica_has_taken_over() {
    story("server frozen, three nodes", Shape::Three).await;
}
