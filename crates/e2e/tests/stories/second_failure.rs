//! The next failure comes right after the takeover. Of three nodes the new primary dies too, and the
//! third takes over if it may: else it waits for the one that holds what was acknowledged. Of two, the
//! new primary's server dies while the old node is coming back.

use std::time::Instant;

use anyhow::Result;
use trial::{Fault, Status};

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

/// Two failures, and the way back of the node that may be the only one to have everything.
const GAP_LIMIT: std::time::Duration = std::time::Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread")]
async fn new_primary_when_it_is_lost_at_once_among_three_then_nothing_is_lost() {
    tell("second failure, three nodes", Shape::Three, async |stage| {
        let first = stage.strike_primary(Fault::KillNode)?;
        let new = stage.another_primary().await?;
        let second = stage.cluster.inject(&new, Fault::KillNode)?;
        let mut left = stage.replicas.clone();
        left.retain(|name| *name != new);
        // Two of three voters are gone: nobody decides anything before one is back.
        stage.cluster.heal(&first)?;
        let status = until_told(stage, &left[0], &new).await?;
        if status.in_sync.is_empty() && status.primary.as_ref() == Some(&new) {
            println!("  {new} had gone on alone: it is waited for");
            stage.cluster.heal(&second)?;
            stage.flows(&left).await?;
        } else {
            stage.flows(&left).await?;
            stage.cluster.heal(&second)?;
        }
        Ok(Measured {
            at: first.at,
            gateways: left,
            limit: GAP_LIMIT,
        })
    })
    .await;
}

/// The ledger's word on who may go on, once there is a majority to tell it.
async fn until_told(stage: &Stage, witness_of_it: &str, lost: &str) -> Result<Status> {
    let start = Instant::now();
    loop {
        let status = stage.cluster.status(witness_of_it).await;
        if let Ok(status) = status {
            let reachable = status
                .ledger
                .as_ref()
                .is_some_and(|ledger| ledger.reachable);
            let settled = status.primary.as_deref() != Some(lost) || status.in_sync.is_empty();
            if (reachable && settled) || start.elapsed() > LIMIT {
                return Ok(status);
            }
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn new_primarys_server_when_it_dies_while_the_old_one_comes_back_then_nothing_is_lost() {
    tell("second failure", Shape::TwoAndWitness, async |stage| {
        let first = stage.strike_primary(Fault::KillNode)?;
        let new = stage.another_primary().await?;
        stage.cluster.heal(&first)?;
        let second = stage.cluster.inject(&new, Fault::KillServer)?;
        stage.flows(&stage.everyone()).await?;
        stage.cluster.heal(&second)?;
        Ok(Measured {
            at: first.at,
            gateways: stage.replicas.clone(),
            limit: GAP_LIMIT,
        })
    })
    .await;
}
