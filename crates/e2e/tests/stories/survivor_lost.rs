//! The replica is lost, the primary goes on alone, then is lost too. The replica comes back
//! alone: it lacks what the primary acknowledged meanwhile, so it must not take over. Then the
//! primary comes back, and all is well.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use trial::{Fault, Status};

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

/// How long the temptation lasts: several times any suspicion time.
const TEMPTED: Duration = Duration::from_secs(12);

#[tokio::test(flavor = "multi_thread")]
async fn replica_when_it_returns_without_the_survivor_then_it_does_not_take_over() {
    tell("survivor lost", Shape::TwoAndWitness, async |stage| {
        let replica = stage.replicas[0].clone();
        let primary = [stage.primary.clone()];
        let first = stage.cluster.inject(&replica, Fault::KillNode)?;
        let is_alone = |status: &Status| status.primary.is_some() && status.in_sync.is_empty();
        stage
            .cluster
            .wait_until("the primary goes on alone", LIMIT, is_alone)
            .await?;
        stage.flows(&primary).await?;
        let second = stage.strike_primary(Fault::KillNode)?;
        stage.cluster.heal(&first)?;
        resists(stage, &replica).await?;
        stage.cluster.heal(&second)?;
        stage.cluster.wait_settled(LIMIT).await?;
        // Both deaths and the wait between them are one long gap by design.
        Ok(Measured {
            at: first.at,
            gateways: primary.to_vec(),
            limit: LIMIT * 2,
        })
    })
    .await;
}

/// It answers, and in all that time neither becomes primary nor acknowledges a write.
async fn resists(stage: &Stage, replica: &str) -> Result<()> {
    let answers = |_: &Status| true;
    stage
        .cluster
        .wait_until("the replica's agent answers", LIMIT, answers)
        .await?;
    let acknowledged = || {
        let live = stage.load.live();
        live.iter()
            .find(|row| row.node == replica)
            .map_or(0, |row| row.acknowledged)
    };
    let (before, start) = (acknowledged(), Instant::now());
    while start.elapsed() < TEMPTED {
        let status = stage.cluster.status(replica).await?;
        let own = status
            .node(replica)
            .map_or("unknown", |node| node.role.as_str());
        ensure!(
            status.primary.as_deref() != Some(replica) && own != "primary",
            "the replica took over without what the primary acknowledged: {}",
            status.summary()
        );
        ensure!(
            acknowledged() == before,
            "a write was acknowledged without a primary"
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
