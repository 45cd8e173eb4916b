//! Power fails: what was not yet on the disk is lost, the end of relay logs above all, and the kernel boots anew. A
//! replica that woke so must not vouch with what it has, while the primary's own log holds every acknowledged write.
//! One node after the other; then all data nodes at once, back in either order or together.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use trial::{Fault, Holds, Injected, Status};

use crate::{
    apply_held::hold_apply,
    stage::{LIMIT, Measured, Shape, Stage, tell_on_disks},
    struck,
};

/// How long replicas without the primary are watched: several times any suspicion time.
const TEMPTED: Duration = Duration::from_secs(6);

/// Who has power again first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Return {
    PrimaryFirst,
    ReplicasFirst,
    Together,
}

async fn one_after_the_other(stage: &Stage) -> Result<Measured> {
    struck::replica(stage, Fault::LosePower).await?;
    stage.cluster.wait_settled(LIMIT).await?;
    struck::primary(stage, Fault::LosePower).await
}

async fn all_at_once(stage: &Stage, order: Return) -> Result<Measured> {
    let held = hold_apply(stage).await?;
    let primary = stage.strike_primary(Fault::LosePower)?;
    let mut replicas = Vec::new();
    for name in &stage.replicas {
        replicas.push(stage.cluster.inject(name, Fault::LosePower)?);
        cut_short(stage, name)?;
    }
    drop(held);
    match order {
        Return::PrimaryFirst => {
            stage.cluster.heal(&primary)?;
            answers(stage).await?;
            heal_all(stage, &replicas)?;
        }
        Return::ReplicasFirst => {
            heal_all(stage, &replicas)?;
            resist(stage).await?;
            stage.cluster.heal(&primary)?;
        }
        Return::Together => {
            heal_all(stage, &replicas)?;
            stage.cluster.heal(&primary)?;
        }
    }
    stage.flows(&stage.everyone()).await?;
    Ok(Measured {
        at: primary.at,
        gateways: stage.everyone(),
        limit: LIMIT,
    })
}

/// Takes away half of what was left of the newest relay log file.
fn cut_short(stage: &Stage, node: &str) -> Result<()> {
    let dir = stage.cluster.node(node)?.database_dir();
    let mut newest = None;
    for entry in std::fs::read_dir(&dir).with_context(|| format!("list {}", dir.display()))? {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str()?.strip_prefix("relay.")?.parse::<u32>().ok());
        newest = newest.max(number.map(|number| (number, path)));
    }
    let (_, path) = newest.context("a replica has a relay log")?;
    let file = std::fs::OpenOptions::new().write(true).open(&path)?;
    let length = file.metadata()?.len();
    file.set_len(length / 2)?;
    Ok(file.sync_all()?)
}

fn heal_all(stage: &Stage, lost: &[Injected]) -> Result<()> {
    for one in lost {
        stage.cluster.heal(one)?;
    }
    Ok(())
}

async fn answers(stage: &Stage) -> Result<()> {
    let any = |_: &Status| true;
    let what = "a node that came back answers";
    stage.cluster.wait_until(what, LIMIT, any).await?;
    Ok(())
}

/// They answer, and none becomes primary: they know that they lack something.
async fn resist(stage: &Stage) -> Result<()> {
    answers(stage).await?;
    let start = Instant::now();
    while start.elapsed() < TEMPTED {
        for name in &stage.replicas {
            if let Ok(status) = stage.cluster.status(name).await {
                ensure!(
                    status.primary.as_ref() != Some(name),
                    "{name} took over after a loss of power: {}",
                    status.summary()
                );
            }
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

async fn story(name: &str, shape: Shape, order: Return) {
    tell_on_disks(name, shape, Holds::Everything, async |stage| {
        all_at_once(stage, order).await
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_when_lost_by_one_node_after_the_other_then_nothing_is_lost() {
    let (name, shape) = ("power lost", Shape::TwoAndWitness);
    tell_on_disks(name, shape, Holds::Everything, one_after_the_other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_when_lost_by_one_of_three_after_the_other_then_nothing_is_lost() {
    let (name, shape) = ("power lost, three nodes", Shape::Three);
    tell_on_disks(name, shape, Holds::Everything, one_after_the_other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_when_lost_by_both_and_the_primary_returns_first_then_nothing_is_lost() {
    let name = "power lost by both, primary first";
    story(name, Shape::TwoAndWitness, Return::PrimaryFirst).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_when_lost_by_both_and_the_replica_returns_first_then_it_waits() {
    let name = "power lost by both, replica first";
    story(name, Shape::TwoAndWitness, Return::ReplicasFirst).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_when_lost_by_both_and_they_return_together_then_nothing_is_lost() {
    let name = "power lost by both, back together";
    story(name, Shape::TwoAndWitness, Return::Together).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_when_lost_by_three_and_the_primary_returns_first_then_nothing_is_lost() {
    let name = "power lost by three, primary first";
    story(name, Shape::Three, Return::PrimaryFirst).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_when_lost_by_three_and_the_replicas_return_first_then_they_wait() {
    let name = "power lost by three, replicas first";
    story(name, Shape::Three, Return::ReplicasFirst).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn power_when_lost_by_three_and_they_return_together_then_nothing_is_lost() {
    let name = "power lost by three, back together";
    story(name, Shape::Three, Return::Together).await;
}
