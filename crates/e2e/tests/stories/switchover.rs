//! A planned change of primary under load, there and back: writes wait, none fails. Also with the nodes in two cities, with every
//! waiting time at its default.

use std::time::{Duration, Instant};

use anyhow::ensure;
use trial::Weather;

use crate::stage::{LIMIT, Measured, Shape, needs_cables, tell};

/// How late each packet is between cities some thousand kilometres apart; a round trip takes twice that.
const FAR: Duration = Duration::from_millis(20);

async fn story(name: &str, shape: Shape, weather: Option<Weather>) {
    tell(name, shape, async |stage| {
        let at = Instant::now();
        if let Some(weather) = weather {
            stage.cluster.set_weather(weather)?;
            stage.flows(&stage.everyone()).await?;
        }
        for to in [&stage.replicas[0], &stage.primary] {
            stage.cluster.switchover(to).await?;
            let is_there = |status: &trial::Status| status.primary.as_ref() == Some(to);
            stage
                .cluster
                .wait_until("the wished node is primary", LIMIT, is_there)
                .await?;
            stage.flows(&stage.everyone()).await?;
            stage.cluster.wait_settled(LIMIT).await?;
        }
        for row in stage.load.live() {
            ensure!(
                row.failed == 0 && row.unknown == 0,
                "a switchover failed writes: {row}"
            );
            ensure!(
                row.transactions_failed == 0 && row.transactions_unknown == 0,
                "a switchover failed transactions: {row}"
            );
        }
        stage.is_log_clean()?;
        Ok(Measured::new(at, stage.everyone()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switchover_when_asked_under_load_then_no_write_fails() {
    story("switchover", Shape::TwoAndWitness, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switchover_when_asked_under_load_among_three_then_no_write_fails() {
    story("switchover, three nodes", Shape::Three, None).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn switchover_when_asked_under_load_between_cities_then_no_write_fails() {
    let name = "switchover between cities";
    if needs_cables(name) {
        return;
    }
    story(name, Shape::TwoAndWitness, Some(Weather::new(FAR, 0))).await;
}
