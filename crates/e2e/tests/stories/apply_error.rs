//! A replica cannot apply what it receives and acknowledges: a row is missing on it. Then the primary
//! dies. It must not take over without what it could not apply: it waits, and says why; where there
//! is another replica, that one takes over. In the end the broken one is a copy of the primary.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use trial::{Fault, Status};

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

/// How long the temptation lasts: several times any suspicion time.
const TEMPTED: Duration = Duration::from_secs(6);
const BREAKS: [&str; 2] = ["SET sql_log_bin=0", "DELETE FROM story.own WHERE id=1"];
const MEETS_IT: &str = "UPDATE story.own SET value=1 WHERE id=1";
const IS_THERE: &str = "SELECT value FROM story.own WHERE id=1";

#[tokio::test(flavor = "multi_thread")]
async fn apply_when_broken_while_it_acknowledges_then_it_does_not_take_over_without_the_rest() {
    tell("apply error", Shape::TwoAndWitness, async |stage| {
        let replica = stage.replicas[0].clone();
        stage.own_table(1).await?;
        stage.by_hand(&replica, &BREAKS).await?;
        // The replica acknowledges this, and finds out afterwards that it cannot apply it.
        stage.by_hand(&stage.primary, &[MEETS_IT]).await?;
        let done = stage.strike_primary(Fault::KillNode)?;
        resists(stage, &replica).await?;
        stage
            .shows(&replica, "why", "cannot apply what it received")
            .await?;
        stage.cluster.heal(&done)?;
        ends(stage).await?;
        Ok(Measured {
            at: done.at,
            gateways: stage.everyone(),
            limit: LIMIT,
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn apply_when_broken_among_three_then_the_other_one_takes_over() {
    tell("apply error, three nodes", Shape::Three, async |stage| {
        let (broken, other) = (stage.replicas[0].clone(), stage.replicas[1].clone());
        stage.own_table(1).await?;
        let at = Instant::now();
        stage.by_hand(&broken, &BREAKS).await?;
        stage.by_hand(&stage.primary, &[MEETS_IT]).await?;
        stage.out_of_sync(&broken).await?;
        let done = stage.strike_primary(Fault::KillNode)?;
        let is_other = |status: &Status| status.primary.as_ref() == Some(&other);
        stage
            .status_says("the other one takes over", is_other)
            .await?;
        stage.flows(&stage.replicas).await?;
        stage.cluster.heal(&done)?;
        ends(stage).await?;
        Ok(Measured::new(at, stage.replicas.clone()))
    })
    .await;
}

/// In all that time it is not primary.
async fn resists(stage: &Stage, replica: &str) -> Result<()> {
    let start = Instant::now();
    while start.elapsed() < TEMPTED {
        let status = stage.cluster.status(replica).await?;
        let own = status.node(replica).map_or("", |node| node.role.as_str());
        ensure!(
            status.primary.as_deref() != Some(replica) && own != "primary",
            "it took over without what it could not apply: {}",
            status.summary()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Everywhere the row is there with the value that was acknowledged.
async fn ends(stage: &Stage) -> Result<()> {
    stage.cluster.wait_settled(LIMIT).await?;
    for node in stage.everyone() {
        stage.until(&node, IS_THERE, "1").await?;
    }
    Ok(())
}
