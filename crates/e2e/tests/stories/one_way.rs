//! A cable that is broken in one direction: a node that is not heard and hears, then one that hears
//! nothing and is heard. The primary is replaced; a replica is done without, and the primary stays.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use trial::Status;

use crate::stage::{LIMIT, Measured, Shape, Stage, needs_cables, tell};

/// Which direction is broken.
#[derive(Debug, Clone, Copy)]
enum Way {
    /// It hears and is not heard.
    Mute,
    /// It is heard and hears nothing.
    Deaf,
}

async fn story(name: &str, shape: Shape) {
    if needs_cables(name) {
        return;
    }
    tell(name, shape, async |stage| {
        let at = Instant::now();
        for way in [Way::Mute, Way::Deaf] {
            let about = || format!("a primary that is {way:?}");
            primary(stage, way).await.with_context(about)?;
            let about = || format!("a replica that is {way:?}");
            replica(stage, way).await.with_context(about)?;
        }
        Ok(Measured::new(at, stage.everyone()))
    })
    .await;
}

fn cut(stage: &Stage, node: &str, way: Way) -> Result<Instant> {
    Ok(match way {
        Way::Mute => stage.cluster.mute(node)?,
        Way::Deaf => stage.cluster.deafen(node)?,
    })
}

async fn heal(stage: &Stage) -> Result<()> {
    stage.cluster.mend()?;
    stage.flows(&stage.everyone()).await?;
    stage.cluster.wait_settled(LIMIT).await?;
    Ok(())
}

async fn primary(stage: &Stage, way: Way) -> Result<()> {
    let old = stage.cluster.primary().await?;
    let at = cut(stage, &old, way)?;
    let is_other =
        |status: &Status| status.primary.is_some() && status.primary.as_ref() != Some(&old);
    stage
        .cluster
        .wait_until("another node is primary", LIMIT, is_other)
        .await?;
    let mut others = stage.everyone();
    others.retain(|name| *name != old);
    stage.flows(&others).await?;
    println!(
        "  {way:?} primary: writes after {} ms",
        at.elapsed().as_millis()
    );
    heal(stage).await
}

async fn replica(stage: &Stage, way: Way) -> Result<()> {
    let before = stage.cluster.any_status().await?;
    let mut others = stage.everyone();
    others.retain(|name| before.primary.as_ref() != Some(name));
    let lost = others.remove(0);
    others.extend(before.primary.clone());
    let at = cut(stage, &lost, way)?;
    let is_without =
        |status: &Status| status.epoch != before.epoch || !status.in_sync.contains(&lost);
    stage
        .cluster
        .wait_until("the replica is done without", LIMIT, is_without)
        .await?;
    stage.flows(&others).await?;
    println!(
        "  {way:?} replica: writes after {} ms",
        at.elapsed().as_millis()
    );
    heal(stage).await?;
    let after = stage.cluster.any_status().await?;
    ensure!(
        after.epoch == before.epoch,
        "a healthy primary was replaced: {}",
        after.summary()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn cable_when_broken_in_one_direction_then_the_others_go_on() {
    story("one way", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cable_when_broken_in_one_direction_among_three_then_the_others_go_on() {
    story("one way, three nodes", Shape::Three).await;
}
