//! The primary's database server hangs (stopped, its port still accepts) and wakes after another
//! has taken over: what it then does must never be acknowledged, and it becomes a replica. A replica's
//! server that hangs for long is ended and started again.

use anyhow::ensure;
use trial::Fault;

use crate::stage::{LIMIT, Measured, Shape, tell, tell_with};

async fn story(name: &str, shape: Shape) {
    tell(name, shape, async |stage| {
        let done = stage.strike_primary(Fault::FreezeServer)?;
        stage.another_primary().await?;
        stage.flows(&stage.everyone()).await?;
        stage.cluster.heal(&done)?;
        Ok(Measured::new(done.at, stage.everyone()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_frozen_and_woken_then_a_replica_has_taken_over() {
    story("server frozen", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_frozen_and_woken_among_three_then_a_replica_has_taken_over() {
    story("server frozen, three nodes", Shape::Three).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn server_of_a_replica_when_frozen_for_long_then_it_is_ended_and_started_again() {
    let (name, shape) = ("server of a replica hangs", Shape::TwoAndWitness);
    tell_with(name, shape, "timing.hung=5s", async |stage| {
        let struck = &stage.replicas[0];
        let before = stage.cluster.node(struck)?.server_pids();
        let done = stage.cluster.inject(struck, Fault::FreezeServer)?;
        stage.out_of_sync(struck).await?;
        // Nobody wakes it.
        stage.cluster.wait_whole(LIMIT).await?;
        let after = stage.cluster.node(struck)?.server_pids();
        ensure!(before != after, "the process that hung is still the server");
        stage.cluster.heal(&done)?;
        Ok(Measured::new(done.at, stage.all_but(struck)))
    })
    .await;
}
