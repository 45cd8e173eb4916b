//! Upgrades of a node's agent: which process is the agent then.

use std::time::Duration;

use serde::Deserialize;

use crate::{Error, Node, Result};

/// What `upgrade` prints.
#[derive(Deserialize)]
struct Process {
    pid: i32,
}

impl Node {
    /// Lets a new process of the same program take over from its agent; returns its number.
    ///
    /// # Errors
    /// As `must`; it prints something else than a process.
    pub async fn upgrade(&self, limit: Duration) -> Result<i32> {
        let told = self.must(&["upgrade", "--json"], "", limit).await?;
        let process: Process = serde_json::from_str(&told).map_err(|source| Error::Status {
            node: self.name.clone(),
            source,
        })?;
        *self.heir() = Some(process.pid);
        Ok(process.pid)
    }
}
