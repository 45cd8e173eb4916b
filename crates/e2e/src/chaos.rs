//! Chaos: random misfortunes, one at a time, each healed before the next, under a load whose
//! history is checked again and again. `mishap.rs` says what can happen, `report.rs` what is told.

mod driver;
mod mishap;
mod report;

use std::time::Duration;

use anyhow::{Result, ensure};

pub use mishap::{Mishap, Victim};
pub use report::{Kind, Report};

use crate::{Arena, Ground, LIMIT, Say, Stop};
use driver::Driver;
use trial::Plan;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Fixes what happens to whom, in which order, for how long.
    pub seed: u64,
    /// The first round; 0 unless one is to be repeated.
    pub from: u64,
    /// No round begins later than this.
    pub length: Duration,
    /// So often the load pauses and everything is checked.
    pub check_every: Duration,
    /// Only these kinds, by a part of their names; all when empty.
    pub only: Vec<String>,
}

/// Little enough for two cores, dense enough to see a pause of a tenth of a second.
fn plan() -> Plan {
    Plan {
        writers: 3,
        readers: 1,
        rate: 20,
        deadline: Duration::from_secs(25),
        connect: Duration::from_secs(25),
        ..Plan::default()
    }
}

/// Runs it; what was lost or did not heal is in the report, not an error.
///
/// # Errors
/// There is nothing that may happen, or the cluster could not be set up.
pub async fn run(ground: &Ground, wish: &Wish, stop: &Stop, say: Say<'_>) -> Result<Report> {
    let mut catalogue = mishap::catalogue(ground);
    let is_wished = |kind: &Mishap| {
        let name = kind.name();
        wish.only.is_empty() || wish.only.iter().any(|part| name.contains(part.as_str()))
    };
    catalogue.retain(is_wished);
    ensure!(
        !catalogue.is_empty(),
        "nothing of that name can happen here"
    );
    let arena = Arena::open(ground, plan()).await?;
    arena.cluster.wait_settled(LIMIT).await?;
    let mut driver = Driver::new(arena, ground, wish);
    driver.play(&catalogue, stop, say).await;
    Ok(driver.conclude(stop, say).await)
}
