//! The rounds: in each, every kind of work with every number of threads goes by every way once, one
//! after the other, so that what the machine does meanwhile disturbs all alike.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use trial::Place;

use super::{
    cell::{Cell, Sample},
    client::{At, Client, Who},
    peer::{Peer, Running},
    php,
    site::Site,
    sysbench::{self, Much, Ran},
    usage::{Others, Part, Spent},
    workload::Workload,
};
use crate::{Say, Stop};

/// What an idle part of a process spends, measured for so long.
const QUIET: Duration = Duration::from_secs(4);

/// What is to be done.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) rounds: u32,
    pub(super) seconds: u64,
    pub(super) threads: Vec<u32>,
    pub(super) workloads: Vec<Workload>,
}

/// A way, and what it spends in a second in which nobody asks.
struct Way<'a> {
    running: &'a Running,
    idle: Spent,
    /// The agent whose other threads are watched: its own, or that of the primary's node.
    agent: &'a Part,
    /// What these threads spend in such a second, in microseconds.
    idle_others: f64,
}

/// What is watched beside the ways themselves.
pub(super) struct Watched {
    /// The agent of the primary's node.
    pub(super) agent: Part,
    /// What carries other nodes' connections to a server, on every data node.
    pub(super) carriers: Vec<Part>,
}

impl Watched {
    pub(super) fn of(site: &Site) -> Result<Self> {
        Ok(Self {
            agent: Running::agent(site)?,
            carriers: Running::carriers(site),
        })
    }

    fn carried_us(&self) -> f64 {
        self.carriers.iter().map(Part::on_processor_us).sum()
    }
}

/// Runs them all. Progress is told cell by cell.
pub(super) async fn run(
    plan: &Plan,
    (ways, watched): (&[Running], &Watched),
    who: &Who,
    stop: &Stop,
    say: Say<'_>,
) -> Result<Vec<Cell>> {
    let ways = quiet(ways, &watched.agent).await?;
    let mut cells: Vec<Cell> = Vec::new();
    for round in 0..plan.rounds {
        for workload in &plan.workloads {
            for threads in &plan.threads {
                // Another way is first in each round.
                if *workload == Workload::Php && *threads > php::MOST {
                    continue;
                }
                for turn in 0..ways.len() {
                    if stop.is_asked() {
                        return Ok(cells);
                    }
                    let way = &ways[(turn + round as usize) % ways.len()];
                    // Why only those: visits are what a primary on another node makes slow.
                    if way.running.peer == Peer::Far && !workload.is_visit() {
                        continue;
                    }
                    let carried = watched.carried_us();
                    let sample = sample(way, *workload, *threads, plan.seconds, who).await;
                    let mut sample = sample.unwrap_or_else(|error| Sample {
                        failure: Some(format!("{error:#}")),
                        ..Sample::default()
                    });
                    if way.running.peer.is_agent() && sample.failure.is_none() {
                        let us = watched.carried_us() - carried;
                        sample.there_us = Some(us / sample.queries as f64);
                    }
                    let key = (workload.key(), *threads, way.running.peer.key());
                    say(&line(round, key, &sample));
                    put(&mut cells, key, sample);
                }
            }
        }
    }
    Ok(cells)
}

fn line(round: u32, (workload, threads, peer): (&str, u32, &str), sample: &Sample) -> String {
    let head = format!("round {} {workload} {threads} threads, {peer}:", round + 1);
    if let Some(failure) = &sample.failure {
        return format!("{head} FAILED: {failure}");
    }
    let cost = sample
        .cost_us()
        .map_or_else(String::new, |us| format!("{us:.1} us a query by itself, "));
    let Sample { rate, p95_us, .. } = sample;
    format!("{head} {cost}{rate:.0} queries a second, p95 {p95_us:.0} us")
}

fn put(cells: &mut Vec<Cell>, (workload, threads, peer): (&str, u32, &str), sample: Sample) {
    let is_it = |cell: &&mut Cell| {
        (cell.workload.as_str(), cell.threads, cell.peer.as_str()) == (workload, threads, peer)
    };
    if let Some(cell) = cells.iter_mut().find(is_it) {
        cell.rounds.push(sample);
        return;
    }
    cells.push(Cell {
        workload: workload.to_owned(),
        threads,
        peer: peer.to_owned(),
        one_way_us: None,
        rounds: vec![sample],
    });
}

/// What each spends in a second when nobody asks; nothing for a gateway's own threads or a proxy, whose
/// idle time is part of what they cost.
async fn quiet<'a>(ways: &'a [Running], agent: &'a Part) -> Result<Vec<Way<'a>>> {
    let spent = |running: &Running| match &running.part {
        Some(part) if running.peer.is_agent() && part.threads.is_empty() => part.spent(),
        _ => Ok(Spent::default()),
    };
    let agent_of = |running: &'a Running| match &running.part {
        Some(part) if running.peer.is_agent() => part,
        _ => agent,
    };
    let others = |running: &'a Running| agent_of(running).others();
    let before: Vec<Spent> = ways.iter().map(spent).collect::<Result<_>>()?;
    let others_before: Vec<Others> = ways.iter().map(others).collect::<Result<_>>()?;
    let start = Instant::now();
    tokio::time::sleep(QUIET).await;
    let took = start.elapsed().as_secs_f64();
    let ways = ways.iter().zip(before.into_iter().zip(others_before));
    ways.map(|(running, (before, others_before))| {
        Ok(Way {
            running,
            idle: spent(running)?.since(before).each(took),
            agent: agent_of(running),
            idle_others: others(running)?.since(&others_before) / took,
        })
    })
    .collect()
}

async fn sample(
    way: &Way<'_>,
    workload: Workload,
    threads: u32,
    seconds: u64,
    who: &Who,
) -> Result<Sample> {
    let running = way.running;
    let who = &running.who(who);
    let spent = || running.part.as_ref().map(Part::spent).transpose();
    let (start, before, others_before) = (Instant::now(), spent()?, way.agent.others()?);
    let ran = if workload == Workload::Connect {
        visits((&running.from, &running.at), who, threads, seconds).await?
    } else if workload == Workload::Php {
        php::visits((&running.from, &running.at), who, threads, seconds).await?
    } else {
        sysbench::run(workload, &running.at, who, threads, Much::Seconds(seconds)).await?
    };
    let took = start.elapsed().as_secs_f64();
    anyhow::ensure!(ran.queries > 0, "not one query was answered");
    let others = way.agent.others()?.since(&others_before) - way.idle_others * took;
    let cost = match (before, spent()?) {
        (Some(before), Some(after)) => {
            let all = after.since(before);
            let own = Spent {
                user_us: (all.user_us - way.idle.user_us * took).max(0.0),
                system_us: (all.system_us - way.idle.system_us * took).max(0.0),
            };
            Some(own.each(ran.queries as f64))
        }
        _ => None,
    };
    Ok(Sample {
        queries: ran.queries,
        rate: ran.queries as f64 / ran.seconds.max(0.001),
        p50_us: ran.percentile(50.0) * 1_000.0,
        p95_us: ran.percentile(95.0) * 1_000.0,
        p99_us: ran.percentile(99.0) * 1_000.0,
        user_us: cost.map(|cost| cost.user_us),
        system_us: cost.map(|cost| cost.system_us),
        beside_us: None,
        others_us: Some(others.max(0.0) / ran.queries as f64),
        there_us: None,
        errors: ran.errors,
        failure: None,
    })
}

/// So many clients that come, ask once and leave, over and over.
async fn visits((from, at): (&Place, &At), who: &Who, threads: u32, seconds: u64) -> Result<Ran> {
    let (from, at, who) = (from.clone(), at.clone(), who.clone());
    let length = Duration::from_secs(seconds);
    tokio::task::spawn_blocking(move || {
        let (start, broken) = (Instant::now(), AtomicBool::new(false));
        let visitor = |number: u32| {
            from.enter().context("enter the place of the clients")?;
            let (mut times, mut row) = (Vec::new(), u64::from(number) * 997);
            while start.elapsed() < length && !broken.load(Ordering::Relaxed) {
                let begin = Instant::now();
                row = (row + 7_919) % 10_000;
                if let Err(error) = visit(&at, &who, row + 1) {
                    broken.store(true, Ordering::Relaxed);
                    return Err(error);
                }
                times.push(begin.elapsed().as_secs_f64() * 1_000.0);
            }
            Ok(times)
        };
        let mut all = thread::scope(|scope| {
            let visitor = &visitor;
            let come = |number| scope.spawn(move || visitor(number));
            let visitors: Vec<_> = (0..threads).map(come).collect();
            let mut all = Vec::new();
            for visitor in visitors {
                let times = visitor
                    .join()
                    .map_err(|_| anyhow::anyhow!("a visitor broke down"))?;
                all.extend(times?);
            }
            Ok::<_, anyhow::Error>(all)
        })?;
        all.sort_unstable_by(f64::total_cmp);
        Ok(Ran {
            queries: all.len() as u64,
            events: all.len() as u64,
            errors: 0,
            seconds: start.elapsed().as_secs_f64(),
            times: all.into_iter().map(|time| (time, 1)).collect(),
        })
    })
    .await?
}

fn visit(at: &At, who: &Who, row: u64) -> Result<()> {
    let mut client = Client::connect(at, who)?;
    let sql = format!("SELECT c FROM sbtest1 WHERE id={row}");
    client.ask(sql.as_bytes()).context("ask")?;
    client.leave()
}
