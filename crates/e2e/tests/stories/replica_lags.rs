//! The replicas are far behind when the primary's node is lost: changes of a table without a key cost
//! them much more than the primary. The status says how much is left and how long it takes; nobody
//! takes over before everything that was received is applied; nothing is lost.
//!
//! In the gate they are eight seconds behind, and twice that to apply; with `MAINSTAY_STORY_LONG=1` ten minutes.

use std::{
    env,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use trial::{Fault, Status};

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

/// A change of all rows costs the primary one pass, and a replica one for each row.
const ROWS: u32 = 2_500;
const TABLE: &str =
    "CREATE TABLE story.heap (value INT NOT NULL, filler CHAR(200) NOT NULL) ENGINE=InnoDB";
const CHANGE: &str = "UPDATE story.heap SET value=value+1";
const SUM: &str = "SELECT SUM(value) FROM story.heap";

async fn story(name: &str, shape: Shape) {
    let is_long = env::var_os("MAINSTAY_STORY_LONG").is_some();
    let (behind, limit) = if is_long {
        (Duration::from_mins(10), Duration::from_hours(1))
    } else {
        (Duration::from_secs(8), LIMIT * 3)
    };
    tell(name, shape, async |stage| {
        if is_long {
            allow_lag(stage).await?;
        }
        stage.own_table(1).await?;
        let fill = format!("INSERT INTO story.heap SELECT 0, 'x' FROM seq_1_to_{ROWS}");
        stage
            .by_hand(&stage.primary, &["USE story", TABLE, &fill])
            .await?;
        stage
            .same_everywhere("SELECT COUNT(*) FROM story.heap")
            .await?;
        let changes = fall_behind(stage, behind, limit).await?;
        let done = stage.strike_primary(Fault::KillNode)?;
        let first = stage.replicas[0].as_str();
        let told = stage
            .shows(first, "status", "left at the present pace")
            .await?;
        ensure!(told.contains("received and not applied"), "{told}");
        stage
            .shows(first, "why", "transactions it has received")
            .await?;
        println!("story {name}: {}", line_of(&told));
        let is_taken_over = |status: &Status| status.primary.is_some();
        stage
            .cluster
            .wait_until("a replica has taken over", limit, is_taken_over)
            .await?;
        let new = stage.cluster.primary().await?;
        let wanted = (u64::from(ROWS) * changes).to_string();
        let found = stage.ask(&new, SUM).await?.context("no sum")?;
        ensure!(found == wanted, "{new} took over with {found} of {wanted}");
        stage.flows(&stage.replicas).await?;
        stage.cluster.heal(&done)?;
        stage
            .cluster
            .wait_until("settled", limit, Status::is_protected)
            .await?;
        stage.cluster.wait_settled(limit).await?;
        Ok(Measured {
            at: done.at,
            gateways: stage.replicas.clone(),
            limit,
        })
    })
    .await;
}

/// Changes the table so often at once that the replicas need about twice as long as they are to be behind, and
/// again when they were quicker; returns how often it was changed when they are so far behind.
async fn fall_behind(stage: &Stage, behind: Duration, limit: Duration) -> Result<u64> {
    let mut session = stage.cluster.as_administrator(&stage.primary).await?;
    let start = Instant::now();
    session.execute(CHANGE, LIMIT).await?;
    stage.same_everywhere(SUM).await?;
    let each = start.elapsed().as_millis().max(1);
    let mut batch = (2 * behind.as_millis()).div_ceil(each);
    let mut changes = 1;
    while start.elapsed() < limit {
        for _ in 0..batch {
            session.execute(CHANGE, LIMIT).await?;
            changes += 1;
        }
        let all = (u64::from(ROWS) * changes).to_string();
        while stage.ask(&stage.replicas[0], SUM).await?.as_ref() != Some(&all) {
            let status = stage.cluster.any_status().await?;
            if !are_behind(stage, &status, behind) {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
            ensure!(
                status.in_sync.len() == stage.replicas.len(),
                "not all count any more: {}",
                status.summary()
            );
            return Ok(changes);
        }
        batch *= 2;
    }
    bail!("the replicas keep up with {changes} changes")
}

fn are_behind(stage: &Stage, status: &Status, behind: Duration) -> bool {
    stage.replicas.iter().all(|name| {
        let database = status.node(name).and_then(|node| node.database.as_ref());
        let lag = database.and_then(|database| database.lag_ms);
        lag.is_some_and(|ms| Duration::from_millis(ms) >= behind)
    })
}

/// Lets the replicas stay in sync with so great a lag: every agent is started again with another limit.
async fn allow_lag(stage: &Stage) -> Result<()> {
    for node in stage.everyone() {
        let config = stage.cluster.node(&node)?.dir().join("mainstay.toml");
        let mut text = std::fs::read_to_string(&config)?;
        ensure!(!text.contains("[timing]"), "{text}");
        text.push_str("\n[timing]\nlag_limit = \"1h\"\n");
        std::fs::write(&config, text)?;
        let killed = stage.cluster.inject(&node, Fault::KillAgent)?;
        stage.cluster.heal(&killed)?;
        stage.cluster.wait_settled(LIMIT).await?;
    }
    Ok(())
}

fn line_of(told: &str) -> &str {
    let is_it = |line: &&str| line.contains("received and not applied");
    told.lines().find(is_it).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn replica_when_far_behind_and_the_primary_is_lost_then_it_applies_everything_first() {
    story("replica lags", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_when_far_behind_and_the_primary_is_lost_then_everything_is_applied_first() {
    story("replicas lag, three nodes", Shape::Three).await;
}
