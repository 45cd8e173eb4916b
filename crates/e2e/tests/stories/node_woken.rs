//! The primary's node freezes with a write that nobody else has, and wakes after another took over.
//! Whoever was connected to its gateway never reads what is out of date, not even a moment after
//! it wakes; its write is not in the cluster, and what its log alone held is in a file.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use trial::{Fault, Session};

use crate::stage::{LIMIT, Measured, Shape, Stage, needs_cables, tell};

const READ: &str = "SELECT value FROM mark WHERE id = 1";
const WAITS: &str = "SELECT COUNT(*) FROM information_schema.processlist
    WHERE state LIKE 'Waiting for semi-sync%'";

async fn story(name: &str, shape: Shape) {
    if needs_cables(name) {
        return;
    }
    tell(name, shape, async |stage| {
        let old = &stage.primary;
        prepare(stage).await?;
        let mut at_gateway = stage.cluster.at_gateway(old, &stage.account).await?;
        let mut at_server = stage.cluster.at_server(old, &stage.account).await?;
        for session in [&mut at_gateway, &mut at_server] {
            ensure!(session.value(READ, LIMIT).await?.as_deref() == Some("1"));
        }
        let frozen = freeze_with_a_tail(stage).await?;
        let new = stage.another_primary().await?;
        stage.flows(&stage.replicas).await?;
        let mut elsewhere = stage.cluster.at_gateway(&new, &stage.account).await?;
        let write = "UPDATE mark SET value = 2 WHERE id = 1";
        elsewhere.execute(write, LIMIT).await?;
        stage.cluster.mend()?;
        // Asked while it sleeps, so that nothing comes before them when it wakes.
        let (by_gateway, by_server, woken) =
            tokio::join!(read_on(&mut at_gateway), read_on(&mut at_server), async {
                stage.cluster.heal(&frozen)
            },);
        woken?;
        ensure!(
            by_gateway.stale == 0,
            "{} reads through the woken gateway were out of date",
            by_gateway.stale
        );
        // Past the gateway nobody can stand in front of a server that wakes; its agent ends it.
        println!("  past the gateway: out of date for {:?}", by_server.last);
        stage.cluster.wait_settled(LIMIT).await?;
        tail_is_saved(stage).await?;
        Ok(Measured::new(frozen.at, stage.replicas.clone()))
    })
    .await;
}

async fn prepare(stage: &Stage) -> Result<()> {
    let mut session = stage
        .cluster
        .at_gateway(&stage.primary, &stage.account)
        .await?;
    let table = "CREATE TABLE mark (id INT PRIMARY KEY, value INT NOT NULL) ENGINE=InnoDB";
    session.execute(table, LIMIT).await?;
    let row = "INSERT INTO mark VALUES (1, 1)";
    Ok(session.execute(row, LIMIT).await?)
}

/// Cuts the primary off, writes on its server, and freezes all of it while that write waits.
async fn freeze_with_a_tail(stage: &Stage) -> Result<trial::Injected> {
    let old = &stage.primary;
    let mut watching = stage.cluster.as_administrator(old).await?;
    let mut writing = stage.cluster.at_server(old, &stage.account).await?;
    stage.cluster.mute(old)?;
    tokio::spawn(async move {
        let write = "INSERT INTO mark VALUES (2, 2)";
        // Its outcome is an error or silence: the server is frozen, then killed.
        let _ = writing.execute(write, LIMIT * 2).await;
    });
    let until = Instant::now() + LIMIT;
    while watching.value(WAITS, LIMIT).await?.as_deref() == Some("0") {
        ensure!(Instant::now() < until, "the write did not wait for anybody");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stage.strike_primary(Fault::FreezeNode)
}

/// What somebody read who went on reading.
struct Readings {
    /// Answers that were out of date.
    stale: u32,
    /// How long after the first question the last of them came.
    last: Duration,
}

/// Reads again and again until the answer is right, or there is no connection any more.
async fn read_on(session: &mut Session) -> Readings {
    let mut readings = Readings {
        stale: 0,
        last: Duration::ZERO,
    };
    let start = Instant::now();
    while let Ok(value) = session.value(READ, LIMIT).await {
        if value.as_deref() == Some("2") {
            break;
        }
        readings.stale += 1;
        readings.last = start.elapsed();
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    readings
}

/// The write that nobody had is on no server, and what stood in the log alone is in a file.
async fn tail_is_saved(stage: &Stage) -> Result<()> {
    for node in stage.everyone() {
        let mut session = stage.cluster.as_administrator(&node).await?;
        let sql = "SELECT COUNT(*) FROM mainstay_trial.mark WHERE id = 2";
        let count = session.value(sql, LIMIT).await?;
        ensure!(count.as_deref() == Some("0"), "{node} kept the write");
    }
    let dir = stage.cluster.node(&stage.primary)?.dir();
    let dir = dir.join("data/saved-tails");
    let entries = std::fs::read_dir(&dir).with_context(|| format!("no {}", dir.display()))?;
    // Whose write was the first in line is a matter of luck: the story's own, or one of the load's.
    ensure!(entries.count() > 0, "nothing is saved in {}", dir.display());
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn node_when_it_wakes_after_the_takeover_then_its_gateway_shows_nothing_old() {
    story("node woken", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_when_it_wakes_after_the_takeover_among_three_then_its_gateway_shows_nothing_old() {
    story("node woken, three nodes", Shape::Three).await;
}
