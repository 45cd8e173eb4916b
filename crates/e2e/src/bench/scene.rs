//! How a row is measured once: something is done, the load tells the gap, everything heals.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use trial::{Fault, Status};

use super::Row;
use crate::{Arena, Ground, LIMIT, window::Window};

/// Writes at each gateway that count as "it flows again".
const FLOW: u64 = 10;
/// How long a quiet window is, and how long things may go on after what was waited for.
const QUIET: Duration = Duration::from_millis(1_500);
const AFTERMATH: Duration = Duration::from_millis(300);
/// Between two looks at one node.
const LOOK: Duration = Duration::from_millis(50);
/// The size of what a former primary lacks: so many rows of a mebibyte.
const BALLAST_ROWS: usize = 10;

/// One measurement of one row.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) row: Row,
    pub(super) window: Window,
    /// Measured directly, instead of a gap.
    pub(super) took: Option<Duration>,
}

/// Something that is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scene {
    Nothing,
    Primary(Fault),
    Switchover,
    ReplicaKilled,
    ReplicaLost,
}

impl Scene {
    pub(super) const ALL: [Self; 10] = [
        Self::Nothing,
        Self::Switchover,
        Self::Primary(Fault::KillServer),
        Self::ReplicaKilled,
        Self::ReplicaLost,
        Self::Primary(Fault::KillNode),
        Self::Primary(Fault::PullCable),
        Self::Primary(Fault::FreezeServer),
        Self::Primary(Fault::FreezeNode),
        Self::Primary(Fault::HangDisk),
    ];

    /// The rows that it measures.
    pub(super) fn rows(self) -> &'static [Row] {
        match self {
            Self::Nothing => &[Row::Nothing],
            Self::Primary(Fault::KillServer) => &[Row::ServerKilled],
            Self::Primary(Fault::KillNode) => &[Row::NodeKilled, Row::PrimaryBack],
            Self::Primary(Fault::PullCable) => &[Row::CablePulled],
            Self::Primary(Fault::FreezeServer) => &[Row::ServerFrozen],
            Self::Primary(Fault::FreezeNode) => &[Row::NodeFrozen],
            Self::Primary(Fault::HangDisk) => &[Row::DiskHung],
            Self::Primary(_) => &[],
            Self::Switchover => &[Row::Switchover],
            Self::ReplicaKilled => &[Row::ReplicaKilled],
            Self::ReplicaLost => &[Row::ReplicaLost, Row::ReplicaBack],
        }
    }

    pub(super) fn is_failover(self) -> bool {
        matches!(self, Self::Primary(_))
    }

    pub(super) fn breaks_disk(self) -> bool {
        self == Self::Primary(Fault::HangDisk)
    }

    pub(super) fn is_possible(self, ground: &Ground) -> bool {
        let needs_root = self.breaks_disk() || self == Self::Primary(Fault::PullCable);
        ground.has_cables() || !needs_root
    }

    /// Does it once; everything is whole again when this returns.
    pub(super) async fn play(self, arena: &Arena) -> Result<Vec<Mark>> {
        let primary = arena.cluster.primary().await?;
        let mut replicas = arena.data_nodes();
        replicas.retain(|name| *name != primary);
        let cast = Cast {
            arena,
            primary,
            replicas,
        };
        let marks = match self {
            Self::Nothing => cast.nothing().await,
            Self::Primary(fault) => cast.lose_primary(self, fault).await,
            Self::Switchover => cast.switch_over().await,
            Self::ReplicaKilled => cast.kill_replica().await,
            Self::ReplicaLost => cast.lose_replica().await,
        }?;
        arena.cluster.wait_settled(LIMIT).await?;
        arena.flows(&arena.data_nodes(), FLOW).await?;
        Ok(marks)
    }
}

/// Who is who while a scene is played.
struct Cast<'a> {
    arena: &'a Arena,
    primary: String,
    replicas: Vec<String>,
}

impl Cast<'_> {
    async fn nothing(&self) -> Result<Vec<Mark>> {
        let at = Instant::now();
        tokio::time::sleep(QUIET).await;
        Ok(vec![mark(Row::Nothing, at, self.arena.data_nodes())])
    }

    async fn lose_primary(&self, scene: Scene, fault: Fault) -> Result<Vec<Mark>> {
        let rows = scene.rows();
        let row = *rows.first().context("the scene measures no row")?;
        let cluster = &self.arena.cluster;
        let epoch = cluster.status(&self.primary).await?.epoch;
        let done = cluster.inject(&self.primary, fault)?;
        let survivor = &self.replicas[0];
        let status = self
            .until(survivor, "another node is primary", |status| {
                let is_other = status.primary.as_ref() != Some(&self.primary);
                status.epoch > epoch && status.primary.is_some() && is_other
            })
            .await?;
        self.arena.flows(&self.replicas, FLOW).await?;
        let mut marks = vec![mark(row, done.at, self.replicas.clone())];
        if rows.contains(&Row::PrimaryBack) {
            let new = status.primary.as_deref();
            self.write_ballast(new.context("there is a new primary")?)
                .await?;
        }
        let healed = cluster.heal(&done)?;
        if rows.contains(&Row::PrimaryBack) {
            let is_back = |status: &Status| status.in_sync.contains(&self.primary);
            self.until(survivor, "the old primary is in sync", is_back)
                .await?;
            marks.push(Mark {
                took: Some(healed.elapsed()),
                ..mark(Row::PrimaryBack, healed, Vec::new())
            });
        }
        Ok(marks)
    }

    async fn switch_over(&self) -> Result<Vec<Mark>> {
        let at = Instant::now();
        let to = &self.replicas[0];
        self.arena.cluster.switchover(to).await?;
        let is_there = |status: &Status| status.primary.as_ref() == Some(to);
        self.until(to, "the wished node is primary", is_there)
            .await?;
        let everyone = self.arena.data_nodes();
        self.arena.flows(&everyone, FLOW).await?;
        Ok(vec![mark(Row::Switchover, at, everyone)])
    }

    async fn kill_replica(&self) -> Result<Vec<Mark>> {
        let cluster = &self.arena.cluster;
        let done = cluster.inject(&self.replicas[0], Fault::KillServer)?;
        tokio::time::sleep(AFTERMATH).await;
        cluster.wait_settled(LIMIT).await?;
        let watched = vec![self.primary.clone()];
        self.arena.flows(&watched, FLOW).await?;
        Ok(vec![mark(Row::ReplicaKilled, done.at, watched)])
    }

    async fn lose_replica(&self) -> Result<Vec<Mark>> {
        let cluster = &self.arena.cluster;
        let lost = &self.replicas[0];
        let watched = vec![self.primary.clone()];
        let done = match cluster.inject(lost, Fault::Vanish) {
            Err(trial::Error::NoCable) => cluster.inject(lost, Fault::KillNode)?,
            result => result?,
        };
        let is_out = |status: &Status| !status.in_sync.contains(lost);
        self.until(&self.primary, "the lost replica is out", is_out)
            .await?;
        self.arena.flows(&watched, FLOW).await?;
        let out = mark(Row::ReplicaLost, done.at, watched.clone());
        let at = cluster.heal(&done)?;
        let is_in = |status: &Status| status.in_sync.contains(lost);
        self.until(&self.primary, "the replica is back", is_in)
            .await?;
        tokio::time::sleep(AFTERMATH).await;
        self.arena.flows(&watched, FLOW).await?;
        Ok(vec![out, mark(Row::ReplicaBack, at, watched)])
    }

    /// Waits until one node says so; what it said. Cheaper than asking all, and a frozen one need not answer.
    async fn until(
        &self,
        node: &str,
        what: &str,
        condition: impl Fn(&Status) -> bool,
    ) -> Result<Status> {
        let start = Instant::now();
        loop {
            let seen = match self.arena.cluster.status(node).await {
                Ok(status) if condition(&status) => return Ok(status),
                Ok(status) => status.summary(),
                Err(error) => error.to_string(),
            };
            ensure!(
                start.elapsed() < LIMIT,
                "waited in vain until {what}; last seen: {seen}"
            );
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Ten mebibytes that the one who is away lacks. The rows of the last time go first.
    async fn write_ballast(&self, primary: &str) -> Result<()> {
        let mut session = self.arena.cluster.as_administrator(primary).await?;
        let prepare = [
            "CREATE DATABASE IF NOT EXISTS ballast",
            "CREATE TABLE IF NOT EXISTS ballast.ballast (data LONGBLOB NOT NULL) ENGINE=InnoDB",
            "TRUNCATE TABLE ballast.ballast",
        ];
        let row = "INSERT INTO ballast.ballast VALUES (REPEAT(MD5(RAND()), 32768))";
        for statement in prepare.into_iter().chain([row; BALLAST_ROWS]) {
            session.execute(statement, LIMIT).await?;
        }
        Ok(())
    }
}

/// What began at `at` has ended now.
fn mark(row: Row, at: Instant, watched: Vec<String>) -> Mark {
    let until = Instant::now();
    Mark {
        row,
        window: Window { at, until, watched },
        took: None,
    }
}
