//! While a replica is away somebody purges the binary logs that it needs. It cannot go on from where it was; it is
//! cloned by itself, and is in sync again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
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
    let newest = binlogs(stage)?.pop().context("the primary writes a log")?;
    let purge = format!("PURGE BINARY LOGS TO '{newest}'");
    let start = Instant::now();
    loop {
        // Why again: a log is kept, without an error, while its recovery or a replica's connection needs it.
        session.execute(&purge, LIMIT).await?;
        let left = binlogs(stage)?;
        if left[..] == [newest.as_str()] {
            break;
        }
        ensure!(start.elapsed() < LIMIT, "the primary keeps {left:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    stage.flows(&others).await?;
    stage.cluster.heal(&done)?;
    Ok(Measured::new(done.at, others))
}

/// The primary's binary logs, the newest last.
fn binlogs(stage: &Stage) -> Result<Vec<String>> {
    let dir = stage.cluster.node(&stage.primary)?.database_dir();
    let mut names = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let number = name.strip_prefix("binlog.");
        if number.is_some_and(|number| number.parse::<u32>().is_ok()) {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

#[tokio::test(flavor = "multi_thread")]
async fn replica_when_the_logs_it_needs_are_purged_then_it_is_cloned() {
    tell("logs purged", Shape::TwoAndWitness, play).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replica_when_the_logs_it_needs_are_purged_among_three_then_it_is_cloned() {
    tell("logs purged, three nodes", Shape::Three, play).await;
}
