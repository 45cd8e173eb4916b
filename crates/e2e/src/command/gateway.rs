//! `proof gateway`: the gateway's figures.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::Args;
use e2e::{Stop, bench::gateway};

use super::{INTERRUPTED, Place, say, tell};

/// In memory, where there is such a directory: the proxies are measured, not the disk.
const MEMORY: &str = "/dev/shm";

#[derive(Debug, Args)]
pub(super) struct Gateway {
    /// Rounds; in each every cell is measured once
    #[arg(long, default_value_t = 5)]
    rounds: u32,
    /// So long each cell in each round
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Numbers of threads
    #[arg(long, value_delimiter = ',', default_values_t = [1, 8, 64, 256])]
    threads: Vec<u32>,
    /// Only what has this in its name: a workload, `memory`, `syscalls`, `instructions`, `cable`; may be given again
    #[arg(long, value_name = "PART", value_delimiter = ',')]
    only: Vec<String>,
    /// Only these ways: direct, haproxy, proxysql, maxscale, mainstay, mainstay-socket, mainstay-tcp, mainstay-socket-home, mainstay-tcp-home, mainstay-far, mainstay-alone
    #[arg(long, value_name = "WAY", value_delimiter = ',')]
    peers: Vec<String>,
    /// Visits over a cable between the nodes, on which each frame is so many microseconds late each way (needs root)
    #[arg(long, value_name = "US", value_delimiter = ',', default_values_t = [0, 250])]
    delay_us: Vec<u32>,
    /// So many idle clients at most
    #[arg(long, default_value_t = 10_000)]
    clients: usize,
    /// ProxySQL's program, where it is not on the path
    #[arg(long, value_name = "PATH")]
    proxysql: Option<PathBuf>,
    /// MaxScale's program, where it is not on the path
    #[arg(long, value_name = "PATH")]
    maxscale: Option<PathBuf>,
    /// The example `alone` of the crate sql-gateway [default: the one beside this program]
    #[arg(long, value_name = "PATH")]
    alone: Option<PathBuf>,
    /// A file of results, in which these replace older ones
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// A document whose blocks are replaced by the results
    #[arg(long, value_name = "FILE", requires = "results")]
    document: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

impl Gateway {
    fn asked(&self) -> gateway::Wish {
        let beside = || {
            let own = std::env::current_exe().ok()?;
            let path = own.parent()?.join("examples/alone");
            path.is_file().then_some(path)
        };
        gateway::Wish {
            rounds: self.rounds,
            seconds: self.seconds,
            threads: self.threads.clone(),
            only: self.only.clone(),
            peers: self.peers.clone(),
            delays_us: self.delay_us.clone(),
            clients: self.clients,
            proxysql: self.proxysql.clone(),
            maxscale: self.maxscale.clone(),
            alone: self.alone.clone().or_else(beside),
        }
    }
}

pub(super) async fn run(wish: &Gateway, stop: &Stop) -> Result<ExitCode> {
    let below = Some(Path::new(MEMORY)).filter(|path| path.is_dir());
    let (ground, scratch) = wish.place.ground_below(below, "bench-")?;
    let figures = match gateway::run(&ground, &wish.asked(), stop, &say).await {
        Ok(figures) => figures,
        Err(error) => {
            scratch.keep();
            return Err(error.context(format!("its files are in {}", ground.dir.display())));
        }
    };
    if wish.place.json {
        tell(&serde_json::to_string_pretty(&figures).context("print the figures")?)?;
    } else {
        tell(&figures.to_string())?;
    }
    if let Some(path) = &wish.results {
        let all = figures.merge_into(path)?;
        say(&format!("results are in {}", path.display()));
        if let Some(document) = &wish.document {
            all.write_into(document)?;
        }
    }
    if stop.is_asked() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(ExitCode::from(u8::from(!figures.is_ok())))
}
