//! Every packet between the nodes takes 100 ms, a round trip 200 ms, and 5 of 100 are lost each way. Nobody is
//! taken for dead because of that; a planned change of primary works, and so does a takeover.
//!
//! One waiting time is longer than its default, which is for one data centre: a replica that is taken into an
//! empty set connects anew, and a dozen round trips of 200 ms do not fit 3 s.

use std::time::Duration;

use anyhow::{Context, ensure};
use trial::{Fault, Weather};

use crate::stage::{LIMIT, Measured, Shape, needs_cables, tell_with};

const ONE_WAY: Duration = Duration::from_millis(100);
const LOSS: u8 = 5;
const GROW: &str = "timing.grow=15s";
/// How long nothing else is done to the cluster.
const LASTS: Duration = Duration::from_secs(8);
/// For what needs many round trips, some of them several times.
const SLOW: Duration = Duration::from_mins(3);

async fn story(name: &str, shape: Shape) {
    if needs_cables(name) {
        return;
    }
    tell_with(name, shape, GROW, async |stage| {
        let epoch = stage.cluster.status(&stage.primary).await?.epoch;
        let at = stage.cluster.set_weather(Weather::new(ONE_WAY, LOSS))?;
        while at.elapsed() < LASTS {
            stage
                .flows(&stage.everyone())
                .await
                .context("in bad weather")?;
        }
        let settle = stage.cluster.wait_settled(SLOW).await;
        settle.context("in bad weather")?;
        let status = stage.cluster.any_status().await?;
        ensure!(
            status.epoch == epoch,
            "a healthy primary was replaced: {}",
            status.summary()
        );
        let new = &stage.replicas[0];
        stage.cluster.switchover(new).await?;
        stage
            .flows(&stage.everyone())
            .await
            .context("after the switchover")?;
        let settle = stage.cluster.wait_settled(SLOW).await;
        settle.context("after the switchover")?;
        println!(
            "story {name}: switched over, settled after {:?}",
            at.elapsed()
        );
        let struck = stage.cluster.inject(new, Fault::KillServer)?;
        stage
            .flows(&stage.everyone())
            .await
            .context("after the kill")?;
        stage.cluster.heal(&struck)?;
        let settle = stage.cluster.wait_settled(SLOW).await;
        settle.context("after the kill")?;
        let counts = stage.cluster.weather_counts()?;
        let (carried, lost) = counts.context("no weather")?;
        ensure!(lost > 0, "of {carried} packets none was lost");
        println!(
            "story {name}: {carried} packets carried, {lost} lost, {:?}",
            at.elapsed()
        );
        stage.cluster.clear_weather()?;
        Ok(Measured {
            at,
            gateways: stage.everyone(),
            limit: LIMIT,
        })
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn network_when_slow_and_lossy_then_nobody_is_taken_for_dead() {
    story("bad network", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn network_when_slow_and_lossy_among_three_then_nobody_is_taken_for_dead() {
    story("bad network, three nodes", Shape::Three).await;
}
