//! Two operators ask for a switchover at the same time, on two nodes: once to the same node, once
//! to different ones. One change happens; who asked for the other is told why it does not.
//!
//! An open transaction keeps the first one waiting, so that the second finds it under way.

use std::{process::Output, time::Instant};

use anyhow::{Context, Result, ensure};

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

/// What the other one may be told: it came while the first was under way, or when it was done.
const TOLD: [&str; 3] = [
    "another change of primary is under way",
    "is the primary already",
    "epoch",
];

async fn story(name: &str, shape: Shape) {
    tell(name, shape, async |stage| {
        let at = Instant::now();
        let [first, second] = [&stage.primary, &stage.replicas[0]];
        let wished = Some(stage.replicas[0].as_str());
        let asked = [(first, wished), (second, wished)];
        twice(stage, asked).await.context("to the same node")?;
        // Of two data nodes the only other one is asked for by name, and as the best one.
        let elsewhere = stage.replicas.get(1).map(String::as_str);
        let asked = [(first, Some(stage.primary.as_str())), (second, elsewhere)];
        twice(stage, asked).await.context("to different nodes")?;
        Ok(Measured::new(at, stage.everyone()))
    })
    .await;
}

/// Asks both while a transaction is open, ends it, and looks at what came of it.
async fn twice(stage: &Stage, asked: [(&String, Option<&str>); 2]) -> Result<()> {
    let before = stage.cluster.any_status().await?;
    let mut session = stage
        .cluster
        .at_gateway(&stage.primary, &stage.account)
        .await?;
    for sql in [
        "START TRANSACTION",
        "UPDATE register SET value = value WHERE writer = 255",
    ] {
        session.execute(sql, LIMIT).await?;
    }
    let [(one, to), (other, elsewhere)] = asked;
    let mut first = std::pin::pin!(ask(stage, one, to));
    let mut second = std::pin::pin!(ask(stage, other, elsewhere));
    // Whoever is refused has an answer at once; the other one's change waits for the transaction.
    let answers = tokio::select! {
        answer = &mut first => {
            session.execute("COMMIT", LIMIT).await?;
            [answer?, second.await?]
        }
        answer = &mut second => {
            session.execute("COMMIT", LIMIT).await?;
            [first.await?, answer?]
        }
    };
    let done = answers.iter().filter(|answer| answer.status.success());
    ensure!(done.count() == 1, "not one of two happened: {answers:?}");
    let refused = answers.iter().find(|answer| !answer.status.success());
    let said = refused.map_or("".into(), |answer| String::from_utf8_lossy(&answer.stderr));
    ensure!(
        TOLD.iter().any(|sentence| said.contains(sentence)),
        "the other one was not told clearly: {said}"
    );
    stage.flows(&stage.everyone()).await?;
    stage.cluster.wait_settled(LIMIT).await?;
    let after = stage.cluster.any_status().await?;
    ensure!(
        after.epoch == before.epoch + 1,
        "not one change: epoch {} was {}",
        after.epoch,
        before.epoch
    );
    Ok(())
}

async fn ask(stage: &Stage, node: &str, to: Option<&str>) -> Result<Output> {
    let mut args = vec!["switchover", "--yes"];
    args.extend(to.iter().flat_map(|to| ["--to", to]));
    Ok(stage.cluster.node(node)?.run(&args, "", LIMIT).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn switchover_when_asked_twice_at_once_then_one_happens() {
    story("switchover twice", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switchover_when_asked_twice_at_once_among_three_then_one_happens() {
    story("switchover twice, three nodes", Shape::Three).await;
}
