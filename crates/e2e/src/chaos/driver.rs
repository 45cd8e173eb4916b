//! The run itself: round after round, check after check, until the time is over, a person asks
//! for the end, or something did not heal.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use trial::Injected;

use super::{
    Mishap, Victim, Wish,
    mishap::{self, Draw},
    report::{Report, Round},
};
use crate::{Arena, Ground, Say, Stop};

/// The cluster's budget is three failovers; one is left for what was not planned.
const FAILOVERS: u64 = 2;
/// Writes at each gateway that count as "it flows again".
const FLOW: u64 = 10;

pub(super) struct Driver {
    arena: Arena,
    ground: Ground,
    wish: Wish,
    start: Instant,
    report: Report,
    /// The rounds of this stretch of load.
    rounds: Vec<Round>,
    stretch_began: Instant,
}

/// What was done, so that it can be undone.
enum Done {
    Fault(Injected),
    Cut,
    Nothing,
}

impl Driver {
    pub(super) fn new(arena: Arena, ground: &Ground, wish: &Wish) -> Self {
        Self {
            report: Report::new(ground, wish),
            arena,
            ground: ground.clone(),
            wish: wish.clone(),
            start: Instant::now(),
            rounds: Vec::new(),
            stretch_began: Instant::now(),
        }
    }

    /// Plays rounds until the end; a failure is noted in the report.
    pub(super) async fn play(&mut self, catalogue: &[Mishap], stop: &Stop, say: Say<'_>) {
        let mut number = self.wish.from;
        let mut result = self.begin().await;
        while result.is_ok() && self.start.elapsed() < self.wish.length && !stop.is_asked() {
            let drawn = mishap::draw(self.wish.seed, number, catalogue, &self.ground);
            result = self.round(number, drawn, stop, say).await;
            let is_over = self.start.elapsed() >= self.wish.length;
            let is_due = self.stretch_began.elapsed() > self.wish.check_every && !is_over;
            if result.is_ok() && is_due {
                result = self.check(say).await;
                if result.is_ok() && self.report.is_good() {
                    result = self.begin().await;
                }
            }
            if !self.report.is_good() {
                return;
            }
            number += 1;
        }
        if let Err(error) = result {
            self.report.fail(number, &error);
            say(&format!("FAILED in round {number}: {error:#}"));
        }
    }

    /// The last check, and the report.
    pub(super) async fn conclude(mut self, stop: &Stop, say: Say<'_>) -> Report {
        if self.arena.is_loaded() && self.check(say).await.is_err() {
            say("the last stretch of load could not be checked");
        }
        self.report.interrupted = stop.is_asked();
        self.report.seconds = self.start.elapsed().as_secs();
        self.arena.cluster.stop().await;
        self.report
    }

    async fn begin(&mut self) -> Result<()> {
        self.stretch_began = Instant::now();
        self.arena.begin().await.context("begin a stretch of load")
    }

    /// Ends the stretch and takes its verdict into the report.
    async fn check(&mut self, say: Say<'_>) -> Result<()> {
        let rounds = std::mem::take(&mut self.rounds);
        let checked = self.arena.check().await.context("check everything");
        let (history, verdict) = match checked {
            Ok(checked) => checked,
            Err(error) => {
                self.report.take_unchecked(&rounds, &error);
                return Err(error);
            }
        };
        self.report.take(&rounds, &history, &verdict);
        say(&format!("{}  checked: {verdict}", clock(self.start)));
        Ok(())
    }

    async fn round(&mut self, number: u64, drawn: Draw, stop: &Stop, say: Say<'_>) -> Result<()> {
        self.arena.relieve(FAILOVERS).await?;
        stop.sleep(drawn.pause).await;
        if stop.is_asked() {
            return Ok(());
        }
        let primary = self.arena.cluster.primary().await?;
        let victim = self.resolve(drawn.victim, &primary)?;
        let mut round = Round::new(number, drawn, &victim, Instant::now());
        round.window.watched = self.watched(&round, &primary);
        let label = round.label();
        let lasts = drawn.lasts.as_secs_f64();
        let begun = clock(self.start);
        let ended = self.suffer(&mut round, drawn, &primary, stop).await;
        let recovered = round.recovered;
        if drawn.mishap == Mishap::Switchover {
            self.arena.planned();
        }
        self.rounds.push(round);
        ended.with_context(|| format!("{label} ({victim}), for {lasts:.1} s"))?;
        let took = recovered.unwrap_or_default().as_secs_f64();
        let writes = self.report.acknowledged + self.arena.acknowledged();
        say(&format!(
            "{begun}  round {number}: {label} ({victim}) for {lasts:.1} s; whole again after \
             {took:.1} s; {writes} acknowledged, {} lost",
            self.report.lost
        ));
        Ok(())
    }

    /// Does it, waits, heals it, waits until everything is whole.
    async fn suffer(
        &mut self,
        round: &mut Round,
        drawn: Draw,
        primary: &str,
        stop: &Stop,
    ) -> Result<()> {
        let done = self.strike(drawn.mishap, &round.victim, primary).await?;
        if !drawn.mishap.heals_itself() {
            stop.sleep_until(round.window.at + drawn.lasts).await;
        }
        self.heal(&done).context("heal it")?;
        let healed = if drawn.mishap.heals_itself() {
            round.window.at
        } else {
            Instant::now()
        };
        let everyone = self.arena.data_nodes();
        round.recovered = Some(self.arena.settled_since(healed).await?);
        self.arena.flows(&everyone, FLOW).await?;
        round.window.until = Instant::now();
        Ok(())
    }

    async fn strike(&self, mishap: Mishap, victim: &str, primary: &str) -> Result<Done> {
        let cluster = &self.arena.cluster;
        match mishap {
            Mishap::Fault(fault) => Ok(Done::Fault(cluster.inject(victim, fault)?)),
            Mishap::Cut => {
                cluster.part(primary, victim)?;
                Ok(Done::Cut)
            }
            Mishap::Mute => {
                cluster.mute(victim)?;
                Ok(Done::Cut)
            }
            Mishap::Deafen => {
                cluster.deafen(victim)?;
                Ok(Done::Cut)
            }
            Mishap::Terminate => {
                cluster.terminate_server(victim)?;
                Ok(Done::Nothing)
            }
            Mishap::Switchover => {
                let to = self.resolve(Victim::Replica(0), primary)?;
                cluster.switchover(&to).await?;
                Ok(Done::Nothing)
            }
        }
    }

    fn heal(&self, done: &Done) -> Result<()> {
        match done {
            Done::Fault(injected) => self.arena.cluster.heal(injected).map(drop)?,
            Done::Cut => self.arena.cluster.mend()?,
            Done::Nothing => {}
        }
        Ok(())
    }

    /// The node that this victim is now.
    fn resolve(&self, victim: Victim, primary: &str) -> Result<String> {
        let data_nodes = self.arena.data_nodes().into_iter();
        let mut replicas = data_nodes.filter(|name| name != primary);
        match victim {
            Victim::Primary => Ok(primary.to_owned()),
            Victim::Replica(number) => replicas.nth(number).context("there is no such replica"),
            Victim::Witness => {
                let mut nodes = self.arena.cluster.nodes().iter();
                let witness = nodes.find(|node| node.is_witness());
                Ok(witness.context("there is no witness")?.name().to_owned())
            }
        }
    }

    /// The gateways whose clients should hardly notice: those of the nodes that are not struck.
    fn watched(&self, round: &Round, primary: &str) -> Vec<String> {
        let mut nodes = self.arena.data_nodes();
        match round.mishap {
            Mishap::Fault(_) | Mishap::Mute | Mishap::Deafen | Mishap::Terminate => {
                nodes.retain(|name| *name != round.victim);
            }
            Mishap::Cut => nodes.retain(|name| name == primary || *name != round.victim),
            Mishap::Switchover => {}
        }
        nodes
    }
}

/// Since the start, as minutes and seconds.
fn clock(start: Instant) -> String {
    let seconds = start.elapsed().max(Duration::ZERO).as_secs();
    format!("{:>4}:{:02}", seconds / 60, seconds % 60)
}
