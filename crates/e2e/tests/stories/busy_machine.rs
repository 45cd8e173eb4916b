//! Everything runs on a machine whose cores are busy with other things: nobody is taken for dead.
//!
//! Half a minute; `MAINSTAY_STORY_LONG=1` makes it half an hour.

use std::{
    env, hint,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::ensure;

use crate::stage::{LIMIT, Measured, Shape, tell};

/// Threads that do nothing but run, until dropped.
struct Busy(Arc<AtomicBool>);

impl Busy {
    /// Twice as many as there are cores, of normal priority.
    fn start() -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let cores = thread::available_parallelism().map_or(1, usize::from);
        for _ in 0..2 * cores {
            let ended = Arc::clone(&ended);
            thread::spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    hint::spin_loop();
                }
            });
        }
        Self(ended)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

async fn story(name: &str, shape: Shape, short: Duration) {
    let lasts = match env::var("MAINSTAY_STORY_LONG").as_deref() {
        Ok("1") => Duration::from_mins(30),
        _ => short,
    };
    tell(name, shape, async |stage| {
        let epoch = stage.cluster.status(&stage.primary).await?.epoch;
        let at = Instant::now();
        let busy = Busy::start();
        while at.elapsed() < lasts {
            stage.flows(&stage.everyone()).await?;
        }
        drop(busy);
        stage.cluster.wait_settled(LIMIT).await?;
        let status = stage.cluster.any_status().await?;
        ensure!(
            status.epoch == epoch,
            "a healthy primary was replaced: {}",
            status.summary()
        );
        Ok(Measured::new(at, stage.everyone()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cores_when_busy_with_other_things_then_nobody_is_taken_for_dead() {
    story(
        "busy machine",
        Shape::TwoAndWitness,
        Duration::from_secs(15),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn cores_when_busy_with_other_things_among_three_then_nobody_is_taken_for_dead() {
    story(
        "busy machine, three nodes",
        Shape::Three,
        Duration::from_secs(15),
    )
    .await;
}
