//! The failover figures: each row of the table is measured so many times on one cluster with
//! healing in between, under a light load. `row.rs` says what is measured and what is asked for,
//! `scene.rs` how, `figures.rs` what came out.

mod figures;
pub mod gateway;
mod row;
mod scene;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use trial::Plan;

pub use figures::{Figure, Figures};
pub use row::Row;

use crate::{Arena, Ground, Say, Stop};
use scene::{Mark, Scene};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// So often each row.
    pub times: u32,
    /// Only rows with one of these in their keys; all when empty.
    pub only: Vec<String>,
}

/// The disk of each node for the rows that break one.
const DISK_MIB: u64 = 1_024;
/// The cluster's budget of failovers.
const FAILOVERS: u64 = 3;

/// Dense enough to see a tenth of a second, too little to keep two cores busy: four writers at
/// each gateway, eight with two nodes.
fn plan() -> Plan {
    Plan {
        writers: 4,
        readers: 0,
        lists: 0,
        rate: 25,
        deadline: Duration::from_secs(25),
        connect: Duration::from_secs(25),
    }
}

/// Measures; rows over what is asked, losses, and what did not heal (no further row is measured then)
/// are in the figures, not errors.
///
/// # Errors
/// No such row, or the cluster could not be set up.
pub async fn run(ground: &Ground, wish: &Wish, stop: &Stop, say: Say<'_>) -> Result<Figures> {
    let wished = |row: &Row| {
        wish.only.is_empty()
            || wish
                .only
                .iter()
                .any(|part| row.key().contains(part.as_str()))
    };
    let rows: BTreeSet<Row> = Row::ALL.into_iter().filter(wished).collect();
    ensure!(!rows.is_empty(), "there is no such row: {}", Row::keys());
    let mut figures = Figures::new(ground);
    for is_disk in [false, true] {
        let scenes = Scene::ALL.into_iter().filter(|scene| {
            let measures = |row: &Row| rows.contains(row);
            scene.breaks_disk() == is_disk && scene.rows().iter().any(measures)
        });
        let scenes: Vec<Scene> = scenes.filter(|scene| scene.is_possible(ground)).collect();
        if scenes.is_empty() || stop.is_asked() || figures.failure.is_some() {
            continue;
        }
        let mut own = ground.clone();
        if is_disk {
            own.dir = ground.dir.join("disks");
            own.disk_mib = Some(DISK_MIB);
        }
        let arena = Arena::open(&own, plan())
            .await
            .context("set a cluster up")?;
        let mut bench = Bench { arena, say, stop };
        for scene in scenes {
            if stop.is_asked() || figures.failure.is_some() {
                break;
            }
            if let Err(error) = bench.measure(scene, wish.times, &mut figures).await {
                say(&format!("FAILED: {error:#}"));
                figures.failure = Some(format!("{error:#}"));
            }
        }
        bench.arena.cluster.stop().await;
    }
    figures.keep_only(&rows);
    Ok(figures)
}

struct Bench<'a> {
    arena: Arena,
    say: Say<'a>,
    stop: &'a Stop,
}

impl Bench<'_> {
    /// One scene so many times, under one stretch of load, then the check.
    async fn measure(&mut self, scene: Scene, times: u32, figures: &mut Figures) -> Result<()> {
        let start = Instant::now();
        self.arena.begin().await?;
        let mut marks: Vec<Mark> = Vec::new();
        for time in 0..times {
            if scene.is_failover() {
                self.arena.relieve(FAILOVERS).await?;
            }
            if self.stop.is_asked() {
                break;
            }
            let played = scene.play(&self.arena).await;
            if scene == Scene::Switchover {
                self.arena.planned();
            }
            marks.extend(played.with_context(|| format!("{scene:?}, time {}", time + 1))?);
        }
        let (history, verdict) = self.arena.check().await?;
        for row in scene.rows() {
            let figure = Figure::of(*row, &marks, &history, &verdict);
            (self.say)(&figure.line());
            figures.put(figure);
        }
        let took = start.elapsed().as_secs();
        (self.say)(&format!("  {times} times in {took} s; {verdict}"));
        Ok(())
    }
}
