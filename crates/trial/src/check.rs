//! The check at the end: reads every data node's database directly and holds it against what the
//! load's clients were told. The judging itself is pure: see `check/judge.rs`.

mod anomaly;
mod image;
mod judge;
mod lists;
mod verdict;
mod violation;

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use mysql_async::{Conn, OptsBuilder, prelude::Queryable};

pub use anomaly::{Anomaly, Cycle, CycleClass, Shape};
pub use image::Image;
pub use judge::judge;
pub use lists::{Consistency, check_transactions};
pub use verdict::Verdict;
pub use violation::Violation;

use crate::{Error, History, Result};

/// How long one direct connection may take.
const CONNECT_LIMIT: Duration = Duration::from_mins(1);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(50);

/// One data node's database, reached as its administrator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// The node's name.
    pub node: String,
    /// The server's Unix socket.
    pub socket: PathBuf,
}

impl Database {
    /// Connects as `root`, or, when this process is not root, as the system's user.
    ///
    /// # Errors
    /// The server is not there, or lets neither in.
    pub async fn connect(&self) -> Result<Conn> {
        let mut result = self.connect_as("root").await;
        if result.is_err()
            && !rustix::process::geteuid().is_root()
            && let Ok(user) = std::env::var("USER")
        {
            result = self.connect_as(&user).await;
        }
        result
    }

    /// Connects, trying again until then: the server may just be starting.
    async fn connect_until(&self, until: Instant) -> Result<Conn> {
        loop {
            match self.connect().await {
                Err(_) if Instant::now() < until => tokio::time::sleep(LOOK).await,
                result => return result,
            }
        }
    }

    async fn connect_as(&self, user: &str) -> Result<Conn> {
        let opts = OptsBuilder::default()
            .socket(Some(self.socket.display().to_string()))
            .user(Some(user))
            .max_allowed_packet(Some(16 << 20))
            .wait_timeout(Some(28_800));
        let connecting = tokio::time::timeout(CONNECT_LIMIT, Conn::new(opts));
        let silent = |_| Error::Silent {
            command: format!("connection to the database of {}", self.node),
            limit: CONNECT_LIMIT,
        };
        connecting
            .await
            .map_err(silent)?
            .map_err(Error::database(&self.node, "let the check in"))
    }
}

/// How long the check waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Until every running data node is primary or replica again, and the cluster protected.
    pub healed: Duration,
    /// Until all databases hold the same position.
    pub equal: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            healed: Duration::from_mins(1),
            equal: Duration::from_secs(30),
        }
    }
}

/// Waits until the databases hold the same position, reads them all and judges.
/// When they do not become equal in time they are judged as they are.
///
/// # Errors
/// A database cannot be reached or read.
pub async fn examine(history: &History, databases: &[Database], limits: Limits) -> Result<Verdict> {
    let until = Instant::now() + limits.equal;
    let mut connections = Vec::new();
    for database in databases {
        connections.push((database.node.as_str(), database.connect_until(until).await?));
    }
    let mut positions = positions(&mut connections).await?;
    while positions.windows(2).any(|pair| pair[0] != pair[1]) && Instant::now() < until {
        tokio::time::sleep(LOOK).await;
        positions = self::positions(&mut connections).await?;
    }
    let mut images = Vec::new();
    for ((node, connection), position) in connections.iter_mut().zip(positions) {
        images.push(Image::read(node, position, connection).await?);
    }
    for (_, connection) in connections {
        let _ = connection.disconnect().await;
    }
    Ok(judge(history, &images))
}

async fn positions(connections: &mut [(&str, Conn)]) -> Result<Vec<String>> {
    let mut positions = Vec::new();
    for (node, connection) in connections {
        let read = connection
            .query_first::<String, _>("SELECT @@GLOBAL.gtid_current_pos")
            .await;
        positions.push(
            read.map_err(Error::database(node, "tell its position"))?
                .unwrap_or_default(),
        );
    }
    Ok(positions)
}
