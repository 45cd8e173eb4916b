//! The gateway's figures: the same server reached directly, through the proxies that people use, and
//! through our gateway, in interleaved rounds; and the counts that noise cannot disturb.
//!
//! `wish.rs` is what is to be measured, `site.rs` what it is measured against, `peer.rs` who is measured, `round.rs` and `exact.rs` how,
//! `asked.rs` what is asked for, `figures.rs` what came out.

mod asked;
mod cable;
mod callgrind;
mod cell;
mod child;
mod client;
mod configuration;
mod exact;
mod figures;
mod others;
mod peer;
mod php;
mod round;
mod site;
mod strace;
mod sysbench;
mod usage;
mod wish;
mod workload;

use std::fs;

use anyhow::Result;
use trial::Layout;

pub use asked::Asked;
pub use cell::{Cell, Sample};
pub use figures::Figures;
pub use wish::Wish;

use crate::{Ground, Say, Stop};
use exact::Memory;
use peer::{Peer, Programs, Running};
use site::Site;
use wish::{INSTRUCTIONS, MEMORY, SYSCALLS};
use workload::Workload;

/// Under callgrind the difference between text and prepared is what the classifier costs.
const COUNTED: [Workload; 2] = [Workload::PointText, Workload::PointPrepared];

/// Measures. What could not be measured is in the figures, not an error.
///
/// # Errors
/// Nothing of that name is known, or the cluster cannot be set up.
pub async fn run(ground: &Ground, wish: &Wish, stop: &Stop, say: Say<'_>) -> Result<Figures> {
    wish.check()?;
    let mut figures = Figures::default();
    if wish.wants_loopback() {
        say("setting a cluster up");
        let site = Site::open(ground, Layout::Loopback).await?;
        let mut bench = Bench {
            programs: wish.programs(),
            site,
            wish,
            stop,
            say,
            measured: Figures::default(),
        };
        bench.note("load of the machine before", load());
        bench.counts().await;
        bench.rounds().await;
        bench.note("load of the machine after", load());
        bench.circumstances();
        let Bench { site, measured, .. } = bench;
        site.cluster.stop().await;
        figures = measured;
    }
    over_cables(ground, wish, &mut figures, stop, say).await;
    let mut all = Figures::default();
    all.put(figures);
    Ok(all)
}

/// Visits over cables, where there can be such.
async fn over_cables(
    ground: &Ground,
    wish: &Wish,
    figures: &mut Figures,
    stop: &Stop,
    say: Say<'_>,
) {
    let workloads = wish.over_cables();
    if workloads.is_empty() || wish.delays_us.is_empty() || stop.is_asked() {
        return;
    }
    let how = if ground.has_cables() {
        match cable::measure(ground, wish, workloads, stop, say).await {
            Ok((cells, trips)) => {
                figures.failures.extend(cells.iter().filter_map(failure));
                figures.cells.extend(cells);
                trips
            }
            Err(error) => {
                let line = format!("visits over a cable: {error:#}");
                say(&line);
                figures.failures.push(line.clone());
                line
            }
        }
    } else {
        "not measured: only root can lay them".to_owned()
    };
    figures.notes.insert("cables, one way".to_owned(), how);
}

fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split_whitespace()
        .take(3)
        .collect::<Vec<_>>()
        .join(" ")
}

struct Bench<'a> {
    site: Site,
    programs: Programs,
    wish: &'a Wish,
    stop: &'a Stop,
    say: Say<'a>,
    measured: Figures,
}

impl Bench<'_> {
    fn note(&mut self, what: &str, how: String) {
        self.measured.notes.insert(what.to_owned(), how);
    }

    fn failed(&mut self, what: &str, error: &anyhow::Error) {
        let line = format!("{what}: {error:#}");
        (self.say)(&line);
        self.measured.failures.push(line);
    }

    fn put(&mut self, figure: &str, peer: Peer, value: f64) {
        (self.say)(&format!("{figure}, {}: {value:.2}", peer.key()));
        let of = self.measured.exact.entry(figure.to_owned()).or_default();
        of.insert(peer.key().to_owned(), value);
    }

    fn circumstances(&mut self) {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        self.note("machine", format!("{cores} cores, Linux {}", kernel.trim()));
    }

    /// One way, ready; none when it is not wanted or not here.
    async fn way(&self, peer: Peer) -> Result<Option<Running>> {
        if !self.wish.wants_peer(peer) {
            return Ok(None);
        }
        match peer {
            Peer::Direct => Ok(Some(Running::direct(&self.site))),
            _ if peer.is_agent() => {
                if peer.is_by_tcp() {
                    self.site.settle().await;
                }
                Running::gateway(&self.site, peer).map(Some)
            }
            _ => Running::start(peer, &self.programs, &self.site).await,
        }
    }

    /// The counts of every way, each with a process that has done nothing before where that is possible.
    async fn counts(&mut self) {
        let wants_any = [MEMORY, SYSCALLS].iter().any(|key| self.wish.wants(key));
        for peer in Peer::ALL {
            if self.stop.is_asked() || peer == Peer::Direct || peer.is_special() {
                continue;
            }
            if self.wish.wants(INSTRUCTIONS)
                && let Err(error) = self.instructions(peer).await
            {
                self.failed(&format!("instructions, {}", peer.key()), &error);
            }
            if !wants_any {
                continue;
            }
            match self.way(peer).await {
                Ok(Some(running)) => self.count(running).await,
                Ok(None) => {}
                Err(error) => self.failed(peer.key(), &error),
            }
        }
    }

    async fn count(&mut self, running: Running) {
        let peer = running.peer;
        if self.wish.wants(MEMORY)
            && let Err(error) = self.memory(&running).await
        {
            self.failed(&format!("memory, {}", peer.key()), &error);
        }
        for (threads, figure) in [(1, "syscalls 1 connection"), (8, "syscalls 8 connections")] {
            if !self.wish.wants(SYSCALLS) || self.stop.is_asked() {
                continue;
            }
            let Site { who, dir, .. } = &self.site;
            match exact::syscalls(&running, who, threads, dir).await {
                Ok(calls) => self.put(figure, peer, calls),
                Err(error) => self.failed(&format!("{figure}, {}", peer.key()), &error),
            }
        }
        if let Err(error) = running.end().await {
            self.failed(peer.key(), &error);
        }
    }

    async fn memory(&mut self, running: &Running) -> Result<()> {
        let most = site::most_clients(self.wish.clients);
        let memory = Memory::measure(running, &self.site.who, most).await?;
        let mib = |kib: u64| kib as f64 / 1_024.0;
        let grown = memory.thousand.saturating_sub(memory.before);
        let peer = running.peer;
        self.put("MiB idle", peer, mib(memory.idle));
        self.put("MiB with 1000 idle clients", peer, mib(memory.thousand));
        self.put("KiB per idle client", peer, grown as f64 / 1_000.0);
        if memory.most.0 > 0 {
            // Why not another name where the limit on open files allows fewer: the limit asked for is the same.
            self.put("MiB with 10000 idle clients", peer, mib(memory.most.1));
            let note = format!(
                "{}, as many as the limit on open files allows",
                memory.most.0
            );
            self.note("10000 idle clients are", note);
        }
        self.put("MiB after they have gone", peer, mib(memory.closed));
        self.put(
            "MiB at most during a packet of 17 MB",
            peer,
            mib(memory.packet.0),
        );
        self.put("MiB after a packet of 17 MB", peer, mib(memory.packet.1));
        self.put(
            "MiB at most during a result of 1 GB",
            peer,
            mib(memory.result),
        );
        Ok(())
    }

    async fn instructions(&mut self, peer: Peer) -> Result<()> {
        // Why no agent: under valgrind it is too slow for its own deadlines; alone it is the same gateway.
        if !self.wish.wants_peer(peer) || !(peer == Peer::HaProxy || peer.is_alone()) {
            return Ok(());
        }
        for workload in COUNTED {
            let Some(runnable) = peer::runnable(peer, &self.programs, &self.site)? else {
                return Ok(());
            };
            let Site { who, dir, .. } = &self.site;
            let count = callgrind::per_query(&runnable, workload, who, dir).await?;
            self.put(&format!("instructions {}", workload.key()), peer, count);
        }
        Ok(())
    }

    /// The interleaved rounds over all ways.
    async fn rounds(&mut self) {
        let plan = self.wish.plan();
        if plan.workloads.is_empty() || self.stop.is_asked() {
            return;
        }
        let Wish {
            rounds, seconds, ..
        } = self.wish;
        self.note("rounds", format!("{rounds} of {seconds} s each"));
        let mut ways = Vec::new();
        for peer in Peer::ALL {
            // Why not alone: on its one thread it is another thing than what runs on a node.
            if peer.is_alone() && !self.wish.peers.iter().any(|key| key == peer.key()) {
                continue;
            }
            match self.way(peer).await {
                Ok(Some(running)) => ways.push(running),
                Ok(None) if self.wish.wants_peer(peer) => {
                    self.note(peer.key(), "not here".to_owned());
                }
                Ok(None) => {}
                Err(error) => self.failed(peer.key(), &error),
            }
        }
        if let Err(error) = self.rounds_of(&plan, &ways).await {
            self.failed("the rounds", &error);
        }
        let failures = self.measured.cells.iter().filter_map(failure);
        self.measured.failures.extend(failures);
        for running in ways {
            if let Err(error) = running.end().await {
                (self.say)(&format!("{error:#}"));
            }
        }
    }
}

impl Bench<'_> {
    async fn rounds_of(&mut self, plan: &round::Plan, ways: &[Running]) -> Result<()> {
        let watched = round::Watched::of(&self.site)?;
        let run = round::run(plan, (ways, &watched), &self.site.who, self.stop, self.say).await;
        self.measured.cells = run?;
        if !ways.iter().any(|running| running.peer.is_agent()) {
            return Ok(());
        }
        let how = match watched.agent.threads.len() {
            0 => "of the whole agent, less what it spends when nobody asks".to_owned(),
            count => format!(
                "of the agent's {count} threads named sql-N, and of its others above what they take at rest and while \
                 HAProxy (else nobody between) carries the statements"
            ),
        };
        self.note("processor time of mainstay", how);
        let how = match others::charge(&mut self.measured.cells) {
            0 => "in every round".to_owned(),
            count => format!(
                "NOT in {count} rounds of cells: neither haproxy nor direct was measured in them"
            ),
        };
        self.note("what these others do anyway is taken off", how);
        Ok(())
    }
}

fn failure(cell: &Cell) -> Option<String> {
    let why = cell.failures().next()?;
    let (what, threads, peer) = (cell.what(), cell.threads, &cell.peer);
    Some(format!("{what}, {threads} threads, {peer}: {why}"))
}
