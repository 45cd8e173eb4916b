//! A planned change of primary under load, interrupted at each of its steps by the death of an agent: of
//! the one that hands over, then of the one that takes over. Each time the agent is started again, and
//! whoever is primary then, everybody writes and nothing is lost.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

/// What the one that hands over does, in this order.
const HANDS_OVER: [&str; 7] = [
    "beginhandover",
    "close",
    "noteend",
    "(Handover)",
    "endwish",
    "demote",
    "follow",
];
/// What the one that takes over does.
const TAKES_OVER: [&str; 6] = ["assume", "admit", "promote", "semisync", "setmark", "open"];
/// How long an operator waits for an answer that the death of an agent may have taken away.
const ASKED: Duration = Duration::from_secs(30);

async fn story(name: &str, shape: Shape) {
    tell(name, shape, async |stage| {
        let at = Instant::now();
        for step in HANDS_OVER {
            let about = || format!("the old primary's agent dies after `{step}`");
            interrupted(stage, step, true).await.with_context(about)?;
        }
        for step in TAKES_OVER {
            let about = || format!("the new primary's agent dies after `{step}`");
            interrupted(stage, step, false).await.with_context(about)?;
        }
        Ok(Measured::new(at, stage.everyone()))
    })
    .await;
}

async fn interrupted(stage: &Stage, step: &str, is_old: bool) -> Result<()> {
    let old = stage.cluster.primary().await?;
    let mut others = stage.everyone();
    others.retain(|name| *name != old);
    let new = others.remove(0);
    let victim = stage.cluster.node(if is_old { &old } else { &new })?;
    victim.end_after(step)?;
    let args = ["switchover", "--to", new.as_str(), "--yes"];
    let asking = stage.cluster.node(&old)?.run(&args, "", ASKED);
    let dying = async {
        let until = Instant::now() + LIMIT;
        while victim.is_running() {
            ensure!(Instant::now() < until, "its agent never came to that step");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    // What the operator hears is of no interest: it may be success, or the death of an agent, or nothing.
    let asked = async {
        let _ = asking.await;
        std::future::pending::<Result<()>>().await
    };
    tokio::select! {
        died = dying => died?,
        never = asked => never?,
    }
    victim.start()?;
    stage.flows(&stage.everyone()).await?;
    stage.cluster.wait_settled(LIMIT).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn switchover_when_an_agent_dies_at_any_step_then_nothing_is_lost() {
    story("switchover interrupted", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switchover_when_an_agent_dies_at_any_step_among_three_then_nothing_is_lost() {
    story("switchover interrupted, three nodes", Shape::Three).await;
}
