//! While a replica is away somebody purges the binary logs that it needs. It cannot go on from where it was; it is
//! cloned by itself, and is in sync again.

use anyhow::{Context, Result};
use trial::Fault;

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

async fn play(stage: &Stage) -> Result<Measured> {
    let away = &stage.replicas[0];
    let others = stage.all_but(away);
    let done = stage.cluster.inject(away, Fault::KillNode)?;
    stage.out_of_sync(away).await?;
    stage.flows(&others).await?;
    let mut session = stage.cluster.as_administrator(&stage.primary).await?;
    session.execute("FLUSH BINARY LOGS", LIMIT).await?;
    let newest = session.value("SHOW MASTER STATUS", LIMIT).await?;
    let newest = newest.context("the primary writes a binary log")?;
    let purge = format!("PURGE BINARY LOGS TO '{newest}'");
    session.execute(&purge, LIMIT).await?;
    let left = session.value("SHOW BINARY LOGS", LIMIT).await?;
    anyhow::ensure!(
        left.as_ref() == Some(&newest),
        "the primary kept {left:?} although told to keep {newest} alone"
    );
    stage.flows(&others).await?;
    stage.cluster.heal(&done)?;
    Ok(Measured::new(done.at, others))
}

#[tokio::test(flavor = "multi_thread")]
async fn replica_when_the_logs_it_needs_are_purged_then_it_is_cloned() {
    tell("logs purged", Shape::TwoAndWitness, play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replica_when_the_logs_it_needs_are_purged_among_three_then_it_is_cloned() {
    tell("logs purged, three nodes", Shape::Three, play).await;
}
