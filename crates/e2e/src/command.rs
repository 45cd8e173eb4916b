//! The command line of `proof`.

mod gateway;

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use e2e::{Ground, Stop, bench, chaos};
use gateway::Gateway;
use tempfile::TempDir;
use trial::Layout;

/// Nothing was lost and everything healed, but a person ended it early.
const INTERRUPTED: u8 = 130;
/// A sparse disk of this size for each data node, and so much more for each minute of binlogs.
const DISK_MIB: u64 = 1_024;
const DISK_MIB_A_MINUTE: u64 = 20;

#[derive(Debug, Parser)]
#[command(
    name = "proof",
    about = "Whole clusters on this machine, put to the proof"
)]
struct Line {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Random misfortunes under load, everything checked
    Chaos(Chaos),
    /// The failover figures, measured
    Failover(Failover),
    /// The gateway's figures, measured beside other proxies
    Gateway(Gateway),
}

/// Where.
#[derive(Debug, Args)]
struct Place {
    /// Data nodes: two and a witness, or three
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(2..=3))]
    nodes: u8,
    /// Everything is below it, and stays; without it a temporary directory that stays only after a failure
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// On loopback addresses, as without root: no cables, no disks
    #[arg(long)]
    loopback: bool,
    /// The built program [default: `MAINSTAY_BIN`, else the one beside this program]
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Chaos {
    /// Fixes what happens to whom, in which order, for how long
    #[arg(long)]
    seed: Option<u64>,
    /// No round begins later
    #[arg(long, default_value_t = 2)]
    minutes: u64,
    /// The first round, to repeat one
    #[arg(long, value_name = "ROUND", default_value_t = 0)]
    from: u64,
    /// So often the load pauses and everything is checked
    #[arg(long, value_name = "MINUTES", default_value_t = 10)]
    check_every: u64,
    /// Only kinds with this in their names; may be given again
    #[arg(long, value_name = "PART")]
    only: Vec<String>,
    /// No disks of their own for the data nodes, and so none that hang, fill, fail or lose power
    #[arg(long)]
    no_disks: bool,
    #[command(flatten)]
    place: Place,
}

#[derive(Debug, Args)]
struct Failover {
    /// So often each row
    #[arg(long, default_value_t = 20)]
    times: u32,
    /// Only rows with this in their keys; may be given again
    #[arg(long, value_name = "ROW")]
    only: Vec<String>,
    /// A file of results, in which these rows replace older ones
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// A document whose block of figures is replaced by the results
    #[arg(long, value_name = "FILE", requires = "results")]
    document: Option<PathBuf>,
    #[command(flatten)]
    place: Place,
}

/// Reads the command line and does what it says.
pub(crate) async fn main() -> ExitCode {
    let line = Line::parse();
    let stop = match Stop::on_signals() {
        Ok(stop) => stop,
        Err(error) => return failed(&error.into()),
    };
    let work = async {
        match &line.verb {
            Verb::Chaos(wish) => run_chaos(wish, &stop).await,
            Verb::Failover(wish) => run_failover(wish, &stop).await,
            Verb::Gateway(wish) => gateway::run(wish, &stop).await,
        }
    };
    tokio::select! {
        result = work => result.unwrap_or_else(|error| failed(&error)),
        () = stop.insisted() => ExitCode::from(INTERRUPTED),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    say(&format!("error: {error:#}"));
    ExitCode::FAILURE
}

/// Progress.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Results.
fn tell(text: &str) -> Result<()> {
    writeln!(std::io::stdout(), "{}", text.trim_end()).context("print the results")
}

async fn run_chaos(wish: &Chaos, stop: &Stop) -> Result<ExitCode> {
    let (mut ground, scratch) = wish.place.ground("chaos-")?;
    let has_disks = ground.has_cables() && !wish.no_disks;
    ground.disk_mib = has_disks.then(|| DISK_MIB + DISK_MIB_A_MINUTE * wish.minutes);
    let asked = chaos::Wish {
        seed: wish.seed.unwrap_or_else(random),
        from: wish.from,
        length: Duration::from_secs(wish.minutes * 60),
        check_every: Duration::from_secs(wish.check_every * 60),
        only: wish.only.clone(),
    };
    say(&format!("seed {}, {} data nodes", asked.seed, ground.nodes));
    let report = match chaos::run(&ground, &asked, stop, &say).await {
        Ok(report) => report,
        Err(error) => {
            scratch.keep();
            return Err(error.context(format!("its files are in {}", ground.dir.display())));
        }
    };
    let json = serde_json::to_string_pretty(&report)?;
    if wish.place.json {
        tell(&json)?;
    } else {
        tell(&report.to_string())?;
    }
    if report.is_good() && report.slow.is_empty() {
        let is_early = report.interrupted;
        return Ok(ExitCode::from(if is_early { INTERRUPTED } else { 0 }));
    }
    scratch.keep();
    let path = ground.dir.join("report.json");
    std::fs::write(&path, json).with_context(|| format!("write {}", path.display()))?;
    say(&format!("to repeat it: {}", report.repeat_line()));
    say(&format!(
        "all files and logs are in {}",
        ground.dir.display()
    ));
    Ok(ExitCode::from(u8::from(!report.is_good())))
}

async fn run_failover(wish: &Failover, stop: &Stop) -> Result<ExitCode> {
    let (ground, scratch) = wish.place.ground("bench-")?;
    let asked = bench::Wish {
        times: wish.times.max(1),
        only: wish.only.clone(),
    };
    let figures = match bench::run(&ground, &asked, stop, &say).await {
        Ok(figures) => figures,
        Err(error) => {
            scratch.keep();
            return Err(error.context(format!("its files are in {}", ground.dir.display())));
        }
    };
    if wish.place.json {
        tell(&serde_json::to_string_pretty(&figures)?)?;
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
    let is_sound = figures.failure.is_none() && figures.rows.iter().all(|row| row.lost == 0);
    if !is_sound {
        scratch.keep();
        say(&format!(
            "all files and logs are in {}",
            ground.dir.display()
        ));
    } else if stop.is_asked() {
        return Ok(ExitCode::from(INTERRUPTED));
    }
    Ok(ExitCode::from(u8::from(!figures.is_ok())))
}

/// A directory that goes away unless it is kept, or one of the caller's.
struct Scratch(Option<TempDir>);

impl Scratch {
    fn keep(self) {
        if let Some(dir) = self.0 {
            drop(dir.keep());
        }
    }
}

impl Place {
    fn ground(&self, prefix: &str) -> Result<(Ground, Scratch)> {
        self.ground_below(None, prefix)
    }

    /// The same, its temporary directory below this one.
    fn ground_below(&self, below: Option<&Path>, prefix: &str) -> Result<(Ground, Scratch)> {
        let beside = std::env::current_exe().ok();
        let beside = beside.and_then(|path| path.parent().map(Path::to_path_buf));
        let program = match &self.program {
            Some(path) => path.clone(),
            None => Ground::find_program(beside)?,
        };
        let (dir, scratch) = if let Some(dir) = &self.dir {
            (dir.clone(), None)
        } else {
            let mut builder = tempfile::Builder::new();
            let builder = builder.prefix(prefix);
            let made = below.map_or_else(|| builder.tempdir(), |below| builder.tempdir_in(below));
            let made = made.context("make a temporary directory")?;
            (made.path().to_path_buf(), Some(made))
        };
        let layout = if self.loopback {
            Layout::Loopback
        } else {
            Layout::best()
        };
        let ground = Ground {
            program,
            dir,
            nodes: usize::from(self.nodes),
            layout,
            disk_mib: None,
        };
        Ok((ground, Scratch(scratch)))
    }
}

/// A seed that nobody chose.
fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish() % 1_000_000
}
