//! Random misfortunes under load, one after the other, each healed before the next: whatever the
//! order, nothing acknowledged is lost and everything heals.
//!
//! `MAINSTAY_CHAOS_SEED` chooses other misfortunes (`random`: new ones each time, and says which),
//! `MAINSTAY_CHAOS_ROUNDS` makes it longer.

use std::{
    env,
    hash::{BuildHasher, Hasher, RandomState},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use trial::{Fault, Injected};

use crate::stage::{LIMIT, Measured, Shape, Stage, has_cables, tell};

/// Unless another one is asked for, so that the same tree gets the same answer.
const SEED: u64 = 20_261_120;

const FAULTS: [Fault; 5] = [
    Fault::KillServer,
    Fault::KillAgent,
    Fault::KillNode,
    Fault::FreezeServer,
    Fault::FreezeNode,
];
/// Where there are cables.
const CABLE_FAULTS: [Fault; 3] = [Fault::Vanish, Fault::PullCable, Fault::Silence];
/// Protected for this long, a failover no longer counts against the hourly budget (10 s).
const RELIEF: Duration = Duration::from_secs(11);
/// Longest time that a misfortune lasts.
const LONGEST_MS: u64 = 6_000;

#[tokio::test(flavor = "multi_thread")]
async fn misfortunes_when_they_come_at_random_then_everything_heals() {
    story("chaos", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn misfortunes_when_they_come_at_random_among_three_then_everything_heals() {
    story("chaos, three nodes", Shape::Three).await;
}

async fn story(name: &str, shape: Shape) {
    let told = |key: &str| env::var(key).ok()?.parse::<u64>().ok();
    let seed = match env::var("MAINSTAY_CHAOS_SEED") {
        Ok(text) if text == "random" => RandomState::new().build_hasher().finish(),
        _ => told("MAINSTAY_CHAOS_SEED").unwrap_or(SEED),
    };
    let rounds = told("MAINSTAY_CHAOS_ROUNDS").unwrap_or(3);
    println!("story {name}: MAINSTAY_CHAOS_SEED={seed}, {rounds} rounds");
    tell(name, shape, async |stage| {
        let mut dice = Dice(seed);
        let at = Instant::now();
        for round in 0..rounds {
            let done = misfortune(stage, &mut dice).await;
            done.with_context(|| format!("round {round} of seed {seed}"))?;
        }
        // A node that is down has a gateway that is down: the limit is for what never returns.
        Ok(Measured {
            at,
            gateways: stage.everyone(),
            limit: LIMIT * 2,
        })
    })
    .await;
}

async fn misfortune(stage: &Stage, dice: &mut Dice) -> Result<()> {
    let everyone = stage.everyone();
    let victim = &everyone[dice.below(everyone.len() as u64)];
    let cable_faults: &[Fault] = if has_cables() { &CABLE_FAULTS } else { &[] };
    let faults = [&FAULTS, cable_faults].concat();
    let fault = faults[dice.below(faults.len() as u64)];
    println!("  {fault:?} of {victim}");
    let done: Injected = stage.cluster.inject(victim, fault)?;
    let lasts = Duration::from_millis(dice.below(LONGEST_MS) as u64);
    while done.at.elapsed() < lasts {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    stage.cluster.heal(&done)?;
    stage.flows(&everyone).await?;
    let mut protected_since = Instant::now();
    let start = Instant::now();
    while protected_since.elapsed() < RELIEF {
        let status = stage.cluster.any_status().await;
        if !status.as_ref().is_ok_and(trial::Status::is_protected) {
            protected_since = Instant::now();
        }
        let seen = || {
            status
                .as_ref()
                .map_or_else(ToString::to_string, trial::Status::summary)
        };
        anyhow::ensure!(
            start.elapsed() < LIMIT,
            "not protected for long enough: {}",
            seen()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}

/// Numbers that a seed repeats (SplitMix64).
struct Dice(u64);

impl Dice {
    /// From 0 to below `limit`.
    fn below(&mut self, limit: u64) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((value ^ (value >> 31)) % limit) as usize
    }
}
