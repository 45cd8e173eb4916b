//! The agents are upgraded under load, one node after the other and round after round: a new process takes over, what was
//! connected goes on in the old one. Nobody who connects is refused, nothing fails, no primary changes. A transaction
//! that was open before an upgrade commits after it.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::sync::watch;
use trial::Session;

use crate::stage::{LIMIT, Measured, Shape, Stage, tell_with};

/// The load's connections are older than any of the new processes; and a machine that is far too busy to start one in time
/// is no story of its own.
const KEYS: &str = "gateway.linger=1h timing.suspicion=10s";
const ROUNDS: usize = 2;
const COUNT: &str = "SELECT COUNT(*) FROM held";

async fn story(name: &str, shape: Shape) {
    tell_with(name, shape, KEYS, async |stage| {
        let at = Instant::now();
        let epoch = stage.cluster.any_status().await?.epoch;
        let mut elsewhere = at_gateway(stage, &stage.primary).await?;
        let table = "CREATE TABLE held (id INT AUTO_INCREMENT PRIMARY KEY) ENGINE=InnoDB";
        elsewhere.execute(table, LIMIT).await?;
        let (end, ended) = watch::channel(false);
        let upgrades = async {
            let upgraded = upgrade_all(stage).await;
            end.send_replace(true);
            upgraded
        };
        let (upgraded, knocked) = tokio::join!(upgrades, knock(stage, ended));
        upgraded?;
        ensure!(knocked? > 0, "nobody connected meanwhile");
        let held = elsewhere.value(COUNT, LIMIT).await?;
        let wanted = (ROUNDS * stage.everyone().len()).to_string();
        ensure!(
            held.as_deref() == Some(&wanted),
            "{held:?} of {wanted} transactions are there"
        );
        let status = stage.cluster.any_status().await?;
        ensure!(
            status.epoch == epoch && status.primary.as_ref() == Some(&stage.primary),
            "the primary changed: epoch {epoch} became {}",
            status.epoch
        );
        for row in stage.load.live() {
            ensure!(
                row.failed == 0 && row.unknown == 0,
                "an upgrade failed writes: {row}"
            );
            ensure!(
                row.transactions_failed == 0 && row.transactions_unknown == 0,
                "an upgrade failed transactions: {row}"
            );
        }
        stage.is_log_clean()?;
        Ok(Measured::new(at, stage.everyone()))
    })
    .await;
}

/// Each node, one after the other, with a transaction open at its gateway.
async fn upgrade_all(stage: &Stage) -> Result<()> {
    for _ in 0..ROUNDS {
        for name in stage.everyone() {
            let mut held = at_gateway(stage, &name).await?;
            held.execute("BEGIN", LIMIT).await?;
            held.execute("INSERT INTO held VALUES ()", LIMIT).await?;
            let node = stage.cluster.node(&name)?;
            let (before, server) = (node.agent_pid(), server_pid(stage, &name).await?);
            let now = node.upgrade(LIMIT * 2).await?;
            ensure!(before != Some(now), "{name} is the same process");
            let committed = held.execute("COMMIT", LIMIT).await;
            committed.with_context(|| format!("a transaction open at {name}"))?;
            stage.cluster.wait_settled(LIMIT).await?;
            let server_now = server_pid(stage, &name).await?;
            ensure!(server_now == server, "the server of {name} is another one");
            stage.flows(&stage.everyone()).await?;
        }
    }
    Ok(())
}

/// Connects to every gateway again and again; how often that was.
async fn knock(stage: &Stage, ended: watch::Receiver<bool>) -> Result<u32> {
    let mut count = 0;
    while !*ended.borrow() {
        for name in stage.everyone() {
            let connected = at_gateway(stage, &name).await;
            let mut session = connected.with_context(|| format!("connection {count} to {name}"))?;
            session.execute("SELECT 1", LIMIT).await?;
            count += 1;
        }
    }
    Ok(count)
}

/// The process of this node's server, as its agent knows it.
async fn server_pid(stage: &Stage, node: &str) -> Result<i32> {
    let status = stage.cluster.status(node).await?;
    let database = status.node(node).and_then(|node| node.database.as_ref());
    database
        .and_then(|database| database.pid)
        .with_context(|| format!("{node} knows no server"))
}

async fn at_gateway(stage: &Stage, node: &str) -> Result<Session> {
    Ok(stage.cluster.at_gateway(node, &stage.account).await?)
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_when_upgraded_under_load_then_nobody_is_refused_and_nothing_fails() {
    story("upgraded", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_when_upgraded_under_load_among_three_then_nobody_is_refused_and_nothing_fails() {
    story("upgraded, three nodes", Shape::Three).await;
}
