//! The primary's database server is killed; its agent lives and tells. A replica takes over, and
//! the old primary becomes a replica.

use trial::Fault;

use crate::stage::{Measured, Shape, tell};

async fn story(name: &str, shape: Shape) {
    tell(name, shape, async |stage| {
        let done = stage.strike_primary(Fault::KillServer)?;
        stage.another_primary().await?;
        stage.flows(&stage.everyone()).await?;
        Ok(Measured::new(done.at, stage.everyone()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_killed_then_a_replica_takes_over() {
    story("server killed", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_killed_among_three_then_a_replica_takes_over() {
    story("server killed, three nodes", Shape::Three).await;
}
