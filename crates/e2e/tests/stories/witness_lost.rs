//! The witness dies: nobody's writes notice, and the status says the protection is gone.

use trial::{Fault, Status};

use crate::stage::{LIMIT, Measured, Shape, tell};

#[tokio::test(flavor = "multi_thread")]
async fn witness_when_lost_then_writes_go_on_unprotected_until_it_is_back() {
    tell("witness lost", Shape::TwoAndWitness, async |stage| {
        let done = stage.cluster.inject("witness", Fault::KillNode)?;
        stage.flows(&stage.everyone()).await?;
        let is_told = |status: &Status| !status.protected;
        stage
            .cluster
            .wait_until("the status tells of it", LIMIT, is_told)
            .await?;
        stage.cluster.heal(&done)?;
        stage.cluster.wait_protected(LIMIT).await?;
        Ok(Measured::new(done.at, stage.everyone()))
    })
    .await;
}
