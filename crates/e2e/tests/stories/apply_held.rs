//! Keeps a replica from applying what it goes on to receive and to acknowledge: its relay log alone holds it then.

use anyhow::{Context, Result, ensure};
use trial::Session;

use crate::stage::{LIMIT, Stage};

/// A replica's lock: an administrator's session. It stays until this is dropped.
pub(crate) struct Held {
    node: String,
    session: Session,
    position: String,
}

const POSITION: &str = "SELECT @@global.gtid_slave_pos";

/// From now on no replica applies any of the load's writes; returns when they have acknowledged some.
pub(crate) async fn hold_apply(stage: &Stage) -> Result<Vec<Held>> {
    let mut held = Vec::new();
    for replica in &stage.replicas {
        held.push(hold_one(stage, replica).await?);
    }
    stage.flows(&stage.everyone()).await?;
    for replica in &mut held {
        replica.still_holds().await?;
    }
    Ok(held)
}

async fn hold_one(stage: &Stage, node: &str) -> Result<Held> {
    let mut session = stage.cluster.as_administrator(node).await?;
    // Why not LOCK TABLES: it and appliers that wait for each other's turn wait for one another for ever.
    let lock = "FLUSH TABLES WITH READ LOCK";
    session.execute(lock, LIMIT).await?;
    let position = session.value(POSITION, LIMIT).await?;
    Ok(Held {
        node: node.to_owned(),
        session,
        position: position.unwrap_or_default(),
    })
}

impl Held {
    /// Makes sure that it has not applied anything since.
    async fn still_holds(&mut self) -> Result<()> {
        let now = self.session.value(POSITION, LIMIT).await?;
        let now = now.context("a replica tells its position")?;
        ensure!(
            now == self.position,
            "{} went on applying, from {} to {now}",
            self.node,
            self.position
        );
        Ok(())
    }
}
