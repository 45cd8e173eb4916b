//! Both data nodes die at once, with the witness left, and come back in either order.

use anyhow::Result;
use trial::{Fault, Status};

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

async fn play(stage: &Stage, primary_first: bool) -> Result<Measured> {
    let primary = stage.strike_primary(Fault::KillNode)?;
    let replica = stage.cluster.inject(&stage.replicas[0], Fault::KillNode)?;
    let at = primary.at;
    let order = if primary_first {
        [primary, replica]
    } else {
        [replica, primary]
    };
    for (number, lost) in order.iter().enumerate() {
        stage.cluster.heal(lost)?;
        let answers = |status: &Status| number == 0 || status.primary.is_some();
        stage
            .cluster
            .wait_until("the node that came back answers", LIMIT, answers)
            .await?;
    }
    stage.flows(&stage.everyone()).await?;
    // Both servers start from a crash one after the other.
    Ok(Measured {
        at,
        gateways: stage.everyone(),
        limit: LIMIT,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn both_when_lost_and_the_primary_returns_first_then_all_is_well() {
    tell(
        "both lost, primary first",
        Shape::TwoAndWitness,
        async |stage| play(stage, true).await,
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn both_when_lost_and_the_replica_returns_first_then_all_is_well() {
    tell(
        "both lost, replica first",
        Shape::TwoAndWitness,
        async |stage| play(stage, false).await,
    )
    .await;
}
