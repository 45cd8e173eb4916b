//! Only the primary's agent dies; its database server lives. The site goes on by whatever way is
//! safe, and when the agent is back everything is as it should be.

use trial::Fault;

use crate::stage::{Measured, Shape, tell};

#[tokio::test(flavor = "multi_thread")]
async fn agent_when_killed_and_started_again_then_nothing_is_lost() {
    tell("agent killed", Shape::TwoAndWitness, async |stage| {
        let done = stage.strike_primary(Fault::KillAgent)?;
        stage.cluster.heal(&done)?;
        stage.flows(&stage.everyone()).await?;
        Ok(Measured::new(done.at, stage.replicas.clone()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agent_when_killed_and_not_started_then_the_others_go_on() {
    tell(
        "agent killed for long",
        Shape::TwoAndWitness,
        async |stage| {
            let done = stage.strike_primary(Fault::KillAgent)?;
            stage.another_primary().await?;
            stage.flows(&stage.replicas).await?;
            stage.cluster.heal(&done)?;
            Ok(Measured::new(done.at, stage.replicas.clone()))
        },
    )
    .await;
}
