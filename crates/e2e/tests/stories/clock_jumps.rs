//! A node's wall clock jumps an hour forwards and two hours back, while it is a replica and while it is
//! the primary: nobody notices, no primary is replaced. Then, its clock still wrong, it takes over.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use trial::Fault;

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

const HOUR: i64 = 3_600;
/// Longer than any suspicion.
const LASTS: Duration = Duration::from_secs(3);

async fn story(name: &str, shape: Shape) {
    tell(name, shape, async |stage| {
        let at = Instant::now();
        let node = &stage.replicas[0];
        let stopped = stage.cluster.inject(node, Fault::KillNode)?;
        stage.cluster.node(node)?.loosen_clock()?;
        stage.cluster.heal(&stopped)?;
        stage.flows(&stage.everyone()).await?;
        stage.cluster.wait_settled(LIMIT).await?;
        // As a replica, as the primary, and back.
        jumps(stage, node).await?;
        switch(stage, node).await?;
        jumps(stage, node).await?;
        switch(stage, &stage.primary).await?;
        stage.cluster.node(node)?.jump(-HOUR)?;
        let struck = stage.strike_primary(Fault::KillServer)?;
        stage.another_primary().await?;
        stage.flows(&stage.everyone()).await?;
        stage.cluster.heal(&struck)?;
        Ok(Measured::new(at, stage.all_but(node)))
    })
    .await;
}

async fn switch(stage: &Stage, to: &str) -> Result<()> {
    stage.cluster.switchover(to).await?;
    stage.flows(&stage.everyone()).await?;
    stage.cluster.wait_settled(LIMIT).await?;
    Ok(())
}

async fn jumps(stage: &Stage, node: &str) -> Result<()> {
    let epoch = stage.cluster.any_status().await?.epoch;
    for seconds in [HOUR, -HOUR, 0] {
        stage.cluster.node(node)?.jump(seconds)?;
        jumped(stage, node, seconds).await?;
        let start = Instant::now();
        while start.elapsed() < LASTS {
            stage.flows(&stage.everyone()).await?;
        }
    }
    let status = stage.cluster.any_status().await?;
    ensure!(
        status.epoch == epoch,
        "a clock replaced a primary: {}",
        status.summary()
    );
    Ok(())
}

/// Waits until its server's clock is as wrong as it should be.
async fn jumped(stage: &Stage, node: &str, seconds: i64) -> Result<()> {
    let until = Instant::now() + LIMIT;
    loop {
        let mut session = stage.cluster.as_administrator(node).await?;
        let there = session.value("SELECT UNIX_TIMESTAMP()", LIMIT).await?;
        let there: i64 = there.unwrap_or_default().parse()?;
        let here = std::time::UNIX_EPOCH.elapsed()?.as_secs().try_into()?;
        if (there - seconds).abs_diff(here) < 600 {
            return Ok(());
        }
        ensure!(Instant::now() < until, "its clock did not jump: {there}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_when_it_jumps_by_hours_then_nobody_notices() {
    story("clock jumps", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clock_when_it_jumps_by_hours_among_three_then_nobody_notices() {
    story("clock jumps, three nodes", Shape::Three).await;
}
