//! A disk turns read-only, as the kernel makes it upon an error; what was not yet written is lost. Of the primary:
//! another takes over; of a replica: the primary goes on. After a repair and a boot it is a replica by itself.

use anyhow::Result;
use trial::{Fault, Holds};

use crate::stage::{Measured, Shape, Stage, tell_on_disks};

async fn primary(stage: &Stage) -> Result<Measured> {
    let done = stage.strike_primary(Fault::FailDisk)?;
    stage.another_primary().await?;
    stage.flows(&stage.replicas).await?;
    stage.cluster.heal(&done)?;
    Ok(Measured::new(done.at, stage.replicas.clone()))
}

async fn replica(stage: &Stage) -> Result<Measured> {
    let struck = &stage.replicas[0];
    let others = stage.all_but(struck);
    let done = stage.cluster.inject(struck, Fault::FailDisk)?;
    stage.out_of_sync(struck).await?;
    stage.flows(&others).await?;
    stage.cluster.heal(&done)?;
    Ok(Measured::new(done.at, others))
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_the_primary_when_it_fails_then_a_replica_takes_over() {
    let (name, shape) = ("disk failed, primary", Shape::TwoAndWitness);
    tell_on_disks(name, shape, Holds::Database, primary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_the_primary_when_it_fails_among_three_then_a_replica_takes_over() {
    let (name, shape) = ("disk failed, primary, three nodes", Shape::Three);
    tell_on_disks(name, shape, Holds::Everything, primary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_a_replica_when_it_fails_then_the_primary_goes_on() {
    let (name, shape) = ("disk failed, replica", Shape::TwoAndWitness);
    tell_on_disks(name, shape, Holds::Everything, replica).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_a_replica_when_it_fails_among_three_then_the_primary_goes_on() {
    let (name, shape) = ("disk failed, replica, three nodes", Shape::Three);
    tell_on_disks(name, shape, Holds::Database, replica).await;
}
