//! A long report reads on the replica, which has a change to apply that must wait for the report's lock, when the
//! primary's server is killed. The takeover does not wait for the report: it ends with one error, and its connection
//! goes on.

use std::time::Instant;

use anyhow::{Result, bail, ensure};
use trial::{Fault, SCHEMA, Session};

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

/// Would run for days.
const REPORT: &str =
    "SELECT SUM(one.seq * two.seq) FROM report, seq_1_to_10000000 AS one, seq_1_to_10000000 AS two";
const RUNS: &str =
    "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SUM(one%'";
/// The applier cannot change a table that somebody reads.
const WAITS: &str = "SELECT COUNT(*) FROM information_schema.PROCESSLIST \
    WHERE USER='system user' AND STATE='Waiting for table metadata lock'";

async fn story(name: &str, shape: Shape) {
    tell(name, shape, async |stage| {
        let make = format!("CREATE TABLE {SCHEMA}.report (id INT PRIMARY KEY) ENGINE=InnoDB");
        let fill = format!("INSERT INTO {SCHEMA}.report VALUES (1)");
        stage.by_hand(&stage.primary, &[&make, &fill]).await?;
        let count = format!("SELECT COUNT(*) FROM {SCHEMA}.report");
        stage.same_everywhere(&count).await?;
        let replica = stage.replicas[0].as_str();
        let mut report = stage.cluster.at_reads(replica, &stage.account).await?;
        let refused = report.execute("DELETE FROM report", LIMIT).await;
        let told = format!("{refused:?}");
        ensure!(told.contains("1290"), "a write there: {told}");
        let running = tokio::spawn(async move {
            let answer = report.value(REPORT, LIMIT * 3).await;
            (answer.map_err(|error| format!("{error:?}")), report)
        });
        stage.until(replica, RUNS, "1").await?;
        let alter = format!("ALTER TABLE {SCHEMA}.report ADD more INT");
        stage.by_hand(&stage.primary, &[&alter]).await?;
        stage.until(replica, WAITS, "1").await?;
        let done = stage.strike_primary(Fault::KillServer)?;
        let (answer, report) = running.await?;
        let ended = done.at.elapsed();
        let new = stage.another_primary().await?;
        println!(
            "story {name}: the report ended after {ended:.1?}, the takeover after {:.1?}",
            done.at.elapsed()
        );
        let Err(told) = answer else {
            bail!("the report has ended by itself: {answer:?}")
        };
        ensure!(told.contains("1317"), "the report was told {told}");
        ensure!(new == replica, "{new} has taken over, not {replica}");
        stage.until(&new, RUNS, "0").await?;
        goes_on(stage, report).await?;
        stage.flows(&stage.everyone()).await?;
        Ok(Measured::new(done.at, stage.everyone()))
    })
    .await;
}

/// The same connection reads on whatever server is there.
async fn goes_on(stage: &Stage, mut report: Session) -> Result<()> {
    let started = Instant::now();
    let sql = "SELECT COUNT(*) FROM report WHERE more IS NULL";
    let found = report.value(sql, LIMIT).await?;
    let primary = &stage.primary;
    ensure!(
        found.as_deref() == Some("1"),
        "{found:?} after {:?}, the first primary was {primary}",
        started.elapsed()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn report_when_its_replica_must_take_over_then_it_is_ended_and_nobody_waits_for_it() {
    story("report runs", Shape::TwoAndWitness).await;
}
