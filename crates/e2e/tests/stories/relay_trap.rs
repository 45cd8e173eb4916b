//! What replicas have acknowledged lies in their relay logs alone when the primary and, right after, their own agents
//! and servers are killed. A replica's first START SLAVE would throw its relay log away (MDEV-4698). The replicas come
//! back without the primary: one takes over with everything that was acknowledged.

use anyhow::Result;
use trial::Fault;

use crate::{
    apply_held::hold_apply,
    stage::{LIMIT, Measured, Shape, Stage, tell},
};

async fn play(stage: &Stage) -> Result<Measured> {
    let held = hold_apply(stage).await?;
    let first = stage.strike_primary(Fault::KillNode)?;
    let mut lost = Vec::new();
    for replica in &stage.replicas {
        lost.push(stage.cluster.inject(replica, Fault::KillNode)?);
    }
    drop(held);
    for replica in &lost {
        stage.cluster.heal(replica)?;
    }
    stage.another_primary().await?;
    stage.flows(&stage.replicas).await?;
    stage.cluster.heal(&first)?;
    // All of them start from a crash.
    Ok(Measured {
        at: first.at,
        gateways: stage.replicas.clone(),
        limit: LIMIT,
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn replica_when_restarted_with_all_in_its_relay_log_then_it_takes_over_with_it() {
    tell("relay-log trap", Shape::TwoAndWitness, play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_when_restarted_with_all_in_their_relay_logs_then_one_takes_over_with_it() {
    tell("relay-log trap, three nodes", Shape::Three, play).await;
}
