//! A disk stands still: what writes to it waits, and even a killed process cannot end. Of the primary: another
//! takes over, and when the disk goes on the old one is a replica. Of a replica: the primary goes on.
//! Once the database alone is on it, once the agent's state too.

use anyhow::Result;
use trial::{Fault, Holds};

use crate::{
    stage::{Measured, Shape, Stage, tell_on_disks},
    struck,
};

async fn primary(stage: &Stage) -> Result<Measured> {
    struck::primary(stage, Fault::HangDisk).await
}

async fn replica(stage: &Stage) -> Result<Measured> {
    struck::replica(stage, Fault::HangDisk).await
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_the_primary_when_it_hangs_then_a_replica_takes_over() {
    let (name, shape) = ("disk hung, primary", Shape::TwoAndWitness);
    tell_on_disks(name, shape, Holds::Everything, primary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_the_primary_when_it_hangs_among_three_then_a_replica_takes_over() {
    let (name, shape) = ("disk hung, primary, three nodes", Shape::Three);
    tell_on_disks(name, shape, Holds::Database, primary).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_a_replica_when_it_hangs_then_the_primary_goes_on() {
    let (name, shape) = ("disk hung, replica", Shape::TwoAndWitness);
    tell_on_disks(name, shape, Holds::Database, replica).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_of_a_replica_when_it_hangs_among_three_then_the_primary_goes_on() {
    let (name, shape) = ("disk hung, replica, three nodes", Shape::Three);
    tell_on_disks(name, shape, Holds::Everything, replica).await;
}
