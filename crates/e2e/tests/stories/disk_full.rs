//! Not one block is left on a disk. MariaDB does not fail then, it waits, and answers as if nothing were wrong. Of the
//! primary: another takes over; of a replica: the primary goes on. With room again it is a replica by itself.

use anyhow::Result;
use trial::{Fault, Holds};

use crate::{
    stage::{LIMIT, Measured, Shape, Stage, tell_on_disks},
    struck,
};

async fn primary(stage: &Stage) -> Result<Measured> {
    struck::primary(stage, Fault::FillDisk).await
}

async fn replica(stage: &Stage) -> Result<Measured> {
    let measured = struck::replica(stage, Fault::FillDisk).await?;
    // Why longer than usual: a server that found no room looks again after a minute, and then there is much to apply.
    stage.cluster.wait_whole(LIMIT * 5).await?;
    Ok(measured)
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_the_primary_when_full_then_a_replica_takes_over() {
    let (name, shape) = ("disk full, primary", Shape::TwoAndWitness);
    tell_on_disks(name, shape, Holds::Database, primary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_the_primary_when_full_among_three_then_a_replica_takes_over() {
    let (name, shape) = ("disk full, primary, three nodes", Shape::Three);
    tell_on_disks(name, shape, Holds::Everything, primary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_a_replica_when_full_then_the_primary_goes_on() {
    let (name, shape) = ("disk full, replica", Shape::TwoAndWitness);
    tell_on_disks(name, shape, Holds::Everything, replica).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_a_replica_when_full_among_three_then_the_primary_goes_on() {
    let (name, shape) = ("disk full, replica, three nodes", Shape::Three);
    tell_on_disks(name, shape, Holds::Database, replica).await;
}
