//! A cluster with a load on it, for as long as one likes. The load goes on in stretches: at the
//! end of each the whole check runs and the history is dropped, so that memory stays bounded.

use std::{
    env,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use trial::{Builder, Cluster, History, Holds, Layout, Limits, Load, Plan, Status, Verdict};

/// How long anything may take that should take a second or two.
pub const LIMIT: Duration = Duration::from_mins(1);
/// How long a cluster may take to become whole. Why so long: a replica whose relay log met a full disk sleeps a minute.
const WHOLE_LIMIT: Duration = Duration::from_secs(150);
/// Protected for this long, failovers no longer count against the hourly budget (10 s).
const RELIEF: Duration = Duration::from_millis(10_500);
/// How long the relief may take to come.
const RELIEF_LIMIT: Duration = Duration::from_mins(2);
/// Between two looks at the status.
const LOOK: Duration = Duration::from_millis(200);
/// How long the cluster must be whole to count as whole again.
const STEADY: Duration = Duration::from_secs(1);
/// Accounts of the load's bank.
const ACCOUNTS: u32 = 20;

/// Where and of what a cluster is set up.
#[derive(Debug, Clone)]
pub struct Ground {
    /// The program on trial.
    pub program: PathBuf,
    /// Everything is below it.
    pub dir: PathBuf,
    /// Two data nodes and a witness, or three data nodes.
    pub nodes: usize,
    /// Network namespaces or loopback.
    pub layout: Layout,
    /// Each data node has a disk of its own, of so many MiB, that can be broken. Needs root.
    pub disk_mib: Option<u64>,
}

impl Ground {
    /// There are cables to pull.
    pub fn has_cables(&self) -> bool {
        self.layout == Layout::Namespaces
    }

    /// Two data nodes need one.
    pub fn has_witness(&self) -> bool {
        self.nodes == 2
    }

    /// The program to put on trial: `MAINSTAY_BIN`, else the one in `beside`, a directory of a build.
    ///
    /// # Errors
    /// There is none.
    pub fn find_program(beside: Option<PathBuf>) -> Result<PathBuf> {
        let told = env::var_os("MAINSTAY_BIN").map(PathBuf::from);
        let path = told.or_else(|| Some(beside?.join("mainstay")));
        let path = path.context("find the target directory")?;
        let shown = path.display();
        ensure!(
            path.is_file(),
            "there is no {shown}: `cargo build -p mainstay` first"
        );
        Ok(path)
    }
}

/// The cluster, its load, and how many failovers it may still have to make.
#[derive(Debug)]
pub struct Arena {
    /// What is on trial.
    pub cluster: Cluster,
    plan: Plan,
    load: Option<Load>,
    /// The epoch at which the failover budget was last known to be whole.
    fresh_epoch: u64,
}

impl Arena {
    /// Starts the cluster and waits until it is whole.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn open(ground: &Ground, plan: Plan) -> Result<Self> {
        let builder = Builder::new(&ground.program, &ground.dir)
            .data_nodes(ground.nodes)
            .reads_elsewhere()
            .witness(ground.has_witness())
            .layout(ground.layout);
        let builder = match ground.disk_mib {
            Some(mib) => builder.disks(mib, Holds::Database),
            None => builder,
        };
        let cluster = builder.start().await?;
        cluster.wait_settled(LIMIT).await?;
        let fresh_epoch = cluster.any_status().await?.epoch;
        Ok(Self {
            cluster,
            plan,
            load: None,
            fresh_epoch,
        })
    }

    /// The nodes with a database.
    pub fn data_nodes(&self) -> Vec<String> {
        let nodes = self.cluster.nodes().iter();
        nodes
            .filter(|node| !node.is_witness())
            .map(|node| node.name().to_owned())
            .collect()
    }

    /// Begins a stretch of load at every data node's gateway; it flows when this returns.
    ///
    /// # Errors
    /// The cluster does not take it.
    pub async fn begin(&mut self) -> Result<()> {
        let nodes = self.data_nodes();
        let account = self.cluster.prepare_load(ACCOUNTS).await?;
        let gateways = self.cluster.gateways(&refs(&nodes), &account)?;
        self.load = Some(Load::start(gateways, self.plan)?);
        self.flows(&nodes, 20).await
    }

    /// A stretch of load goes on.
    pub fn is_loaded(&self) -> bool {
        self.load.is_some()
    }

    /// Ends the stretch, and holds what its clients were told against what the nodes hold.
    ///
    /// # Errors
    /// There is no load, it broke, or a database cannot be read.
    pub async fn check(&mut self) -> Result<(History, Verdict)> {
        let load = self.load.take().context("there is no load to check")?;
        let history = load.finish().await?;
        let limits = Limits {
            healed: LIMIT * 3,
            ..Limits::default()
        };
        let verdict = self.cluster.judge(&history, limits).await?;
        Ok((history, verdict))
    }

    /// Waits until each of these gateways has acknowledged so many more writes.
    ///
    /// # Errors
    /// They do not, within a minute.
    pub async fn flows(&self, gateways: &[String], writes: u64) -> Result<()> {
        let load = self.load.as_ref().context("there is no load")?;
        Ok(load
            .wait_acknowledged(&refs(gateways), writes, LIMIT)
            .await?)
    }

    /// Waits until every data node has been primary or replica, and the cluster protected, for a
    /// while: what has just been done may not show at once. Returns when that while began.
    ///
    /// # Errors
    /// It does not happen, within two and a half minutes.
    pub async fn settled_since(&self, healed: Instant) -> Result<Duration> {
        let until = Instant::now() + WHOLE_LIMIT;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            self.cluster.wait_settled(left).await?;
            let since = Instant::now();
            while self.cluster.wait_settled(Duration::ZERO).await.is_ok() {
                if since.elapsed() >= STEADY {
                    return Ok(since.saturating_duration_since(healed));
                }
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Writes acknowledged in this stretch so far.
    pub fn acknowledged(&self) -> u64 {
        let rows = self.load.as_ref().map(Load::live).unwrap_or_default();
        rows.iter().map(|row| row.acknowledged).sum()
    }

    /// A change of primary was a planned one, which costs nothing of the budget.
    pub fn planned(&mut self) {
        self.fresh_epoch += 1;
    }

    /// Makes sure that one more failover is within the cluster's budget (three until it has been
    /// protected for ten seconds): waits for protection to last when `most` may have been made.
    ///
    /// # Errors
    /// Protection does not last.
    pub async fn relieve(&mut self, most: u64) -> Result<()> {
        let epoch = self.cluster.any_status().await?.epoch;
        let made = epoch.saturating_sub(self.fresh_epoch);
        if made < most {
            return Ok(());
        }
        let start = Instant::now();
        let mut since = Instant::now();
        while since.elapsed() < RELIEF {
            let status = self.cluster.any_status().await;
            let seen = match &status {
                Ok(status) => status.summary(),
                Err(error) => error.to_string(),
            };
            if !status.as_ref().is_ok_and(Status::is_protected) {
                since = Instant::now();
            }
            let took = start.elapsed();
            ensure!(took < RELIEF_LIMIT, "not protected for long enough: {seen}");
            tokio::time::sleep(LOOK).await;
        }
        self.fresh_epoch = self.cluster.any_status().await?.epoch;
        Ok(())
    }
}

pub(crate) fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}
