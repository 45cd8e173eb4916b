//! A node is struck and stays so for a while: of the primary's another takes over, a replica's is done without.

use anyhow::Result;
use trial::Fault;

use crate::stage::{Measured, Stage};

/// The primary's; healed when another one takes writes.
pub(crate) async fn primary(stage: &Stage, fault: Fault) -> Result<Measured> {
    let done = stage.strike_primary(fault)?;
    stage.another_primary().await?;
    stage.flows(&stage.replicas).await?;
    stage.cluster.heal(&done)?;
    Ok(Measured::new(done.at, stage.replicas.clone()))
}

/// A replica's; healed when the others write without it.
pub(crate) async fn replica(stage: &Stage, fault: Fault) -> Result<Measured> {
    let struck = &stage.replicas[0];
    let others = stage.all_but(struck);
    let done = stage.cluster.inject(struck, fault)?;
    stage.out_of_sync(struck).await?;
    stage.flows(&others).await?;
    stage.cluster.heal(&done)?;
    Ok(Measured::new(done.at, others))
}
