//! A disk turns read-only, as the kernel makes it upon an error; what was not yet written is lost. Of the primary:
//! another takes over; of a replica: the primary goes on. After a repair and a boot it is a replica by itself.

use anyhow::Result;
use trial::{Fault, Holds};

use crate::{
    stage::{Measured, Shape, Stage, tell_on_disks},
    struck,
};

async fn primary(stage: &Stage) -> Result<Measured> {
    struck::primary(stage, Fault::FailDisk).await
}

async fn replica(stage: &Stage) -> Result<Measured> {
    struck::replica(stage, Fault::FailDisk).await
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
