//! The stage of every story: the cluster, the load, the common beginning and the common end.
//!
//! Beginning: the cluster is settled and every data node's gateway has acknowledged writes.
//! End: the cluster is settled again, every gateway acknowledges, the verdict is good, the gap
//! is below the story's limit. When a story fails its directory stays and its logs are shown.

use std::{
    env,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tokio::sync::Mutex;
use trial::{
    Account, Builder, Cluster, Fault, Holds, Injected, Layout, Limits, Load, Outcome, Plan, Status,
};

/// Whole clusters do not run beside each other.
pub(crate) static ALONE: Mutex<()> = Mutex::const_new(());

/// How long anything may take that should take a second or two.
pub(crate) const LIMIT: Duration = Duration::from_mins(1);
/// A gap that only broken code exceeds.
pub(crate) const GAP_LIMIT: Duration = Duration::from_secs(15);
/// Acknowledged writes at each gateway that count as "it flows".
const FLOW: u64 = 20;
/// Little enough for two cores, dense enough to see a gap of a tenth of a second.
const PLAN: Plan = Plan {
    writers: 3,
    readers: 1,
    lists: 2,
    rate: 20,
    deadline: Duration::from_secs(25),
    connect: Duration::from_secs(25),
};
/// Room for the load and for a clone beside it.
const DISK_MIB: u64 = 400;
/// Lines of each log that a failed story shows.
const TAIL: usize = 60;

/// Who takes part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Two data nodes and a witness.
    TwoAndWitness,
    /// The same, and a third data node that joins later.
    TwoWitnessAndSpare,
    /// Three data nodes.
    Three,
}

/// What a story measured itself by.
#[derive(Debug)]
pub(crate) struct Measured {
    /// When the misfortune began.
    pub(crate) at: Instant,
    /// The gateways whose clients should hardly have noticed.
    pub(crate) gateways: Vec<String>,
    /// The longest gap they may have seen.
    pub(crate) limit: Duration,
}

impl Measured {
    /// By the usual limit.
    pub(crate) fn new(at: Instant, gateways: Vec<String>) -> Self {
        Self {
            at,
            gateways,
            limit: GAP_LIMIT,
        }
    }
}

/// What a story plays on.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) cluster: Cluster,
    pub(crate) load: Load,
    /// Who the load is.
    pub(crate) account: Account,
    /// The primary at the beginning.
    pub(crate) primary: String,
    /// The other data nodes at the beginning.
    pub(crate) replicas: Vec<String>,
}

impl Stage {
    async fn set(
        shape: Shape,
        (disks, key): (Option<Holds>, Option<&str>),
        dir: &Path,
    ) -> Result<Self> {
        let (data_nodes, spare, witness) = match shape {
            Shape::TwoAndWitness => (2, 0, true),
            Shape::TwoWitnessAndSpare => (2, 1, true),
            Shape::Three => (3, 0, false),
        };
        let mut builder = Builder::new(program()?, dir)
            .data_nodes(data_nodes)
            .spare_nodes(spare)
            .reads_elsewhere();
        if let Some(holds) = disks {
            builder = builder.disks(DISK_MIB, holds);
        }
        for key in key.unwrap_or_default().split_whitespace() {
            builder = builder.key(key);
        }
        let cluster = builder.witness(witness).layout(layout()).start().await?;
        cluster.wait_settled(LIMIT).await?;
        let primary = cluster.primary().await?;
        let data_nodes = cluster.nodes().iter().filter(|node| !node.is_witness());
        let running = data_nodes
            .filter(|node| node.is_running())
            .map(|node| node.name().to_owned());
        let replicas: Vec<String> = running.filter(|name| *name != primary).collect();
        let everyone = [std::slice::from_ref(&primary), &replicas].concat();
        let account = cluster.prepare_load(20).await?;
        let load = Load::start(cluster.gateways(&refs(&everyone), &account)?, PLAN)?;
        let stage = Self {
            cluster,
            load,
            account,
            primary,
            replicas,
        };
        stage
            .flows(&everyone)
            .await
            .context("before anything happened")?;
        Ok(stage)
    }

    /// All data nodes of the beginning.
    pub(crate) fn everyone(&self) -> Vec<String> {
        [std::slice::from_ref(&self.primary), &self.replicas].concat()
    }

    /// The data nodes of the beginning without this one.
    pub(crate) fn all_but(&self, node: &str) -> Vec<String> {
        let everyone = self.everyone().into_iter();
        everyone.filter(|name| name != node).collect()
    }

    /// Waits until there is a primary and this node is not in sync with it.
    pub(crate) async fn out_of_sync(&self, node: &str) -> Result<()> {
        let is_out = |status: &Status| {
            status.primary.is_some() && status.in_sync.iter().all(|member| member != node)
        };
        self.cluster
            .wait_until("it is not in sync", LIMIT, is_out)
            .await?;
        Ok(())
    }

    /// Every one of these gateways acknowledges more writes.
    pub(crate) async fn flows(&self, gateways: &[String]) -> Result<()> {
        Ok(self
            .load
            .wait_acknowledged(&refs(gateways), FLOW, LIMIT)
            .await?)
    }

    /// No agent has logged an error so far: for stories in which nothing goes wrong.
    pub(crate) fn is_log_clean(&self) -> Result<()> {
        for node in self.cluster.nodes() {
            let log = node.log_tail(usize::MAX);
            let error = log.lines().find(|line| line.contains("ERROR"));
            ensure!(
                error.is_none(),
                "{} logged {}",
                node.name(),
                error.unwrap_or_default()
            );
        }
        Ok(())
    }

    /// Does it to the primary.
    pub(crate) fn strike_primary(&self, fault: Fault) -> Result<Injected> {
        Ok(self.cluster.inject(&self.primary, fault)?)
    }

    /// Waits for another primary than the first; returns its name.
    pub(crate) async fn another_primary(&self) -> Result<String> {
        let is_other = |status: &Status| {
            status
                .primary
                .as_ref()
                .is_some_and(|name| *name != self.primary)
        };
        self.cluster
            .wait_until("another node is primary", LIMIT, is_other)
            .await?;
        Ok(self.cluster.primary().await?)
    }

    /// The common end; the line that is told of it.
    async fn close(self, measured: Measured) -> Result<String> {
        self.cluster
            .wait_settled(LIMIT)
            .await
            .context("after the story")?;
        self.flows(&self.everyone())
            .await
            .context("after the story")?;
        let history = self.load.finish().await?;
        let limits = Limits {
            healed: LIMIT * 3,
            ..Limits::default()
        };
        let verdict = self.cluster.judge(&history, limits).await?;
        let gap = history
            .gap_around(measured.at, None, &refs(&measured.gateways))
            .context("the story measured no gateway")?;
        let line = format!(
            "gap {gap}, {} acknowledged, {} lost, {} transactions, {} anomalies, errors {}",
            verdict.acknowledged,
            verdict.lost(),
            verdict.transactions,
            verdict.anomalies(),
            history.errors_line()
        );
        ensure!(verdict.is_good(), "{line}\n{verdict}");
        let unknown = history.writes(Outcome::Unknown).count();
        let many = verdict.acknowledged / 4;
        ensure!(
            unknown <= many,
            "{line}: {unknown} outcomes unknown are too many"
        );
        // Why not also that a write ended it: that they flow has just been seen, and the last gap is cut short by the end.
        ensure!(
            gap.length <= measured.limit,
            "{line}: the limit is {:?}",
            measured.limit
        );
        self.cluster.stop().await;
        Ok(line)
    }
}

/// Tells a story: begins, plays, ends; prints its line, or where to look when it failed.
pub(crate) async fn tell(
    name: &str,
    shape: Shape,
    play: impl AsyncFnOnce(&Stage) -> Result<Measured>,
) {
    tell_of(name, shape, (None, None), play).await;
}

/// The same with configuration keys set on each data node, blanks between them.
pub(crate) async fn tell_with(
    name: &str,
    shape: Shape,
    key: &str,
    play: impl AsyncFnOnce(&Stage) -> Result<Measured>,
) {
    tell_of(name, shape, (None, Some(key)), play).await;
}

/// The same where each data node has a small disk of its own, which needs root: without it says so.
pub(crate) async fn tell_on_disks(
    name: &str,
    shape: Shape,
    holds: Holds,
    play: impl AsyncFnOnce(&Stage) -> Result<Measured>,
) {
    if has_cables() {
        tell_of(name, shape, (Some(holds), None), play).await;
    } else {
        println!("story {name}: skipped, mounting small disks needs root");
    }
}

async fn tell_of(
    name: &str,
    shape: Shape,
    (disks, key): (Option<Holds>, Option<&str>),
    play: impl AsyncFnOnce(&Stage) -> Result<Measured>,
) {
    let _alone = ALONE.lock().await;
    trial::end_on_interrupt();
    let made = tempfile::Builder::new().prefix("story-").tempdir();
    let dir = made.unwrap_or_else(|error| panic!("story {name}: make a directory: {error}"));
    let told = async {
        let stage = Stage::set(shape, (disks, key), dir.path()).await?;
        let measured = play(&stage).await?;
        stage.close(measured).await
    }
    .await;
    match told {
        Ok(line) => println!("story {name}: {line}"),
        Err(error) => {
            let kept = dir.keep();
            show_logs(&kept);
            panic!(
                "story {name}: {error:#}\nits files are in {}",
                kept.display()
            );
        }
    }
}

/// Namespaces when root; `MAINSTAY_STORY_LAYOUT=loopback` tells the stories as without root.
pub(crate) fn layout() -> Layout {
    match env::var("MAINSTAY_STORY_LAYOUT").as_deref() {
        Ok("loopback") => Layout::Loopback,
        _ => Layout::best(),
    }
}

/// Says why a story cannot be told here; true if so.
pub(crate) fn needs_cables(name: &str) -> bool {
    if !has_cables() {
        println!("story {name}: skipped, loopback has no cables and network namespaces need root");
    }
    !has_cables()
}

/// There are cables to pull.
pub(crate) fn has_cables() -> bool {
    layout() == Layout::Namespaces
}

pub(crate) fn show_logs(dir: &Path) {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return;
    };
    for entry in entries.flatten() {
        show_end(&entry.path().join("data/mariadb.err"), TAIL / 4);
        show_end(&entry.path().join("agent.log"), TAIL);
    }
}

fn show_end(path: &Path, count: usize) {
    let Ok(bytes) = std::fs::read(path) else {
        return;
    };
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().collect();
    println!("---- the end of {}", path.display());
    for line in &lines[lines.len().saturating_sub(count)..] {
        println!("{line}");
    }
}

/// The built program: `MAINSTAY_BIN`, else beside this test program.
pub(crate) fn program() -> Result<PathBuf> {
    let told = env::var_os("MAINSTAY_BIN").map(PathBuf::from);
    let beside = || {
        Some(
            env::current_exe()
                .ok()?
                .parent()?
                .parent()?
                .join("mainstay"),
        )
    };
    let path = told.or_else(beside).context("find the target directory")?;
    ensure!(
        path.is_file(),
        "there is no {}: `cargo build -p mainstay` first",
        path.display()
    );
    Ok(path)
}

pub(crate) fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}
