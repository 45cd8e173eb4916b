//! The gateway's figures: the same server reached directly, through the proxies that people use, and
//! through our gateway, in interleaved rounds; and the counts that noise cannot disturb.
//!
//! `site.rs` is what is measured against, `peer.rs` who is measured, `round.rs` and `exact.rs` how,
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
mod workload;

use std::{fs, path::PathBuf};

use anyhow::{Result, ensure};
use trial::Layout;

pub use asked::Asked;
pub use cell::{Cell, Sample};
pub use figures::Figures;

use crate::{Ground, Say, Stop};
use exact::Memory;
use peer::{Peer, Programs, Running};
use site::Site;
use workload::Workload;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Wish {
    /// Rounds.
    pub rounds: u32,
    /// Seconds of each cell in each round.
    pub seconds: u64,
    /// Numbers of threads.
    pub threads: Vec<u32>,
    /// Only what has one of these in its name; all when empty.
    pub only: Vec<String>,
    /// Only these ways; all that are here when empty.
    pub peers: Vec<String>,
    /// How late frames are on the cables over which visits are measured, in microseconds each way.
    pub delays_us: Vec<u32>,
    /// So many idle clients at most.
    pub clients: usize,
    /// ProxySQL's program, where it is not on the path.
    pub proxysql: Option<PathBuf>,
    /// MaxScale's program.
    pub maxscale: Option<PathBuf>,
    /// The example `alone` of `sql-gateway`, built for release.
    pub alone: Option<PathBuf>,
}

/// The greatest delay: five round trips of a visit still fit every waiting time.
const LONGEST_US: u32 = 100_000;
const MEMORY: &str = "memory";
const SYSCALLS: &str = "syscalls";
const INSTRUCTIONS: &str = "instructions";
/// Under callgrind the difference between text and prepared is what the classifier costs.
const COUNTED: [Workload; 2] = [Workload::PointText, Workload::PointPrepared];

impl Wish {
    fn wants(&self, key: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| key.contains(part.as_str()))
    }

    fn wants_peer(&self, peer: Peer) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|key| key == peer.key())
    }

    fn programs(&self) -> Programs {
        let or_found = |given: &Option<PathBuf>, name| given.clone().or_else(|| peer::find(name));
        Programs {
            haproxy: peer::find("haproxy"),
            proxysql: or_found(&self.proxysql, "proxysql"),
            maxscale: or_found(&self.maxscale, "maxscale"),
            alone: self.alone.clone(),
        }
    }

    fn plan(&self) -> round::Plan {
        let wanted = |workload: &Workload| self.wants(workload.key()) && is_here(*workload);
        round::Plan {
            rounds: self.rounds.max(1),
            seconds: self.seconds.max(1),
            threads: self.threads.clone(),
            workloads: Workload::ALL.into_iter().filter(wanted).collect(),
        }
    }

    /// What is wanted over cables.
    fn over_cables(&self) -> Vec<Workload> {
        let wanted = |workload: &Workload| {
            workload.is_visit() && self.wants(&cable::key(*workload)) && is_here(*workload)
        };
        Workload::ALL.into_iter().filter(wanted).collect()
    }

    /// Anything is wanted on one machine's loopback.
    fn wants_loopback(&self) -> bool {
        let counts = [MEMORY, SYSCALLS, INSTRUCTIONS];
        counts.iter().any(|key| self.wants(key)) || !self.plan().workloads.is_empty()
    }

    fn check(&self) -> Result<()> {
        let counts = [MEMORY, SYSCALLS, INSTRUCTIONS].map(str::to_owned);
        let visits = Workload::ALL.into_iter().filter(|one| one.is_visit());
        let keys = Workload::ALL.map(|workload| workload.key().to_owned());
        let keys: Vec<String> = keys
            .into_iter()
            .chain(visits.map(cable::key))
            .chain(counts)
            .collect();
        for part in &self.only {
            let is_known = keys.iter().any(|key| key.contains(part.as_str()));
            ensure!(is_known, "there is no `{part}`: {}", keys.join(", "));
        }
        for key in &self.peers {
            let known = Peer::ALL.map(Peer::key).join(", ");
            ensure!(Peer::of(key).is_some(), "there is no way `{key}`: {known}");
        }
        let most = self.delays_us.iter().max().copied().unwrap_or(0);
        ensure!(
            most <= LONGEST_US,
            "{most} us are more than {LONGEST_US} us one way"
        );
        Ok(())
    }
}

/// Its program is here.
fn is_here(workload: Workload) -> bool {
    workload != Workload::Php || peer::find("php").is_some()
}

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
            Peer::Mainstay | Peer::Socket | Peer::Tcp | Peer::Far => {
                if peer == Peer::Tcp {
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
            if self.stop.is_asked()
                || matches!(peer, Peer::Direct | Peer::Socket | Peer::Tcp | Peer::Far)
            {
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
        let agent = Running::agent(&self.site)?;
        let run = round::run(plan, (ways, &agent), &self.site.who, self.stop, self.say).await;
        self.measured.cells = run?;
        if !ways.iter().any(|running| running.peer.is_agent()) {
            return Ok(());
        }
        let how = match agent.threads.len() {
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
