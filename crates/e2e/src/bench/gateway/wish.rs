//! What is asked of the gateway's bench, and what of it can be done here.

use std::path::PathBuf;

use anyhow::{Result, ensure};

use super::{
    cable,
    peer::{self, Peer, Programs},
    round,
    workload::Workload,
};

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
pub(super) const MEMORY: &str = "memory";
pub(super) const SYSCALLS: &str = "syscalls";
pub(super) const INSTRUCTIONS: &str = "instructions";

impl Wish {
    pub(super) fn wants(&self, key: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|part| key.contains(part.as_str()))
    }

    pub(super) fn wants_peer(&self, peer: Peer) -> bool {
        self.peers.is_empty() || self.peers.iter().any(|key| key == peer.key())
    }

    pub(super) fn programs(&self) -> Programs {
        let or_found = |given: &Option<PathBuf>, name| given.clone().or_else(|| peer::find(name));
        Programs {
            haproxy: peer::find("haproxy"),
            proxysql: or_found(&self.proxysql, "proxysql"),
            maxscale: or_found(&self.maxscale, "maxscale"),
            alone: self.alone.clone(),
        }
    }

    pub(super) fn plan(&self) -> round::Plan {
        let wanted = |workload: &Workload| self.wants(workload.key()) && is_here(*workload);
        round::Plan {
            rounds: self.rounds.max(1),
            seconds: self.seconds.max(1),
            threads: self.threads.clone(),
            workloads: Workload::ALL.into_iter().filter(wanted).collect(),
        }
    }

    /// What is wanted over cables.
    pub(super) fn over_cables(&self) -> Vec<Workload> {
        let wanted = |workload: &Workload| {
            workload.is_visit() && self.wants(&cable::key(*workload)) && is_here(*workload)
        };
        Workload::ALL.into_iter().filter(wanted).collect()
    }

    /// Anything is wanted on one machine's loopback.
    pub(super) fn wants_loopback(&self) -> bool {
        let counts = [MEMORY, SYSCALLS, INSTRUCTIONS];
        counts.iter().any(|key| self.wants(key)) || !self.plan().workloads.is_empty()
    }

    pub(super) fn check(&self) -> Result<()> {
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
