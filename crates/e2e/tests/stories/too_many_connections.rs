//! Clients that go past the gateway use up every connection of the primary's server. The agent keeps
//! control of it: nothing fails over, the status says what is wrong, a replica can still come back.
//! Then every server is full, and the primary dies: another one takes over all the same.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use trial::{Fault, Session, Status};

use crate::stage::{LIMIT, Measured, Shape, Stage, tell};

/// More than the load needs, few enough to be used up quickly.
const CONNECTIONS: usize = 30;

async fn story(name: &str, shape: Shape) {
    tell(name, shape, async |stage| {
        let (primary, replica) = (stage.primary.as_str(), stage.replicas[0].as_str());
        let at = Instant::now();
        let epoch = stage.cluster.any_status().await?.epoch;
        let crowd = use_up(stage, primary).await?;
        let is_full = |status: &Status| {
            let node = status.node(primary);
            node.is_some_and(|node| node.health == "out-of-connections")
        };
        stage.status_says("the status says so", is_full).await?;
        stage.flows(&stage.everyone()).await?;
        // A replica comes back: it reaches a server that has no room for applications.
        stage.cluster.inject(replica, Fault::KillServer)?;
        stage.out_of_sync(replica).await?;
        stage.cluster.wait_settled(LIMIT).await?;
        drop(crowd);
        let is_well = |status: &Status| {
            let node = status.node(primary);
            node.is_some_and(|node| node.health == "ok")
        };
        stage.status_says("it is well again", is_well).await?;
        let now = stage.cluster.any_status().await?.epoch;
        ensure!(now == epoch, "a full server made epoch {now} of {epoch}");
        let mut crowds = Vec::new();
        for node in stage.everyone() {
            crowds.push(use_up(stage, &node).await?);
        }
        stage.strike_primary(Fault::KillServer)?;
        stage.another_primary().await?;
        drop(crowds);
        stage.flows(&stage.everyone()).await?;
        Ok(Measured::new(at, stage.everyone()))
    })
    .await;
}

/// Opens connections at this server, past the gateway, until it has none left.
async fn use_up(stage: &Stage, node: &str) -> Result<Vec<Session>> {
    let few = format!("SET GLOBAL max_connections={CONNECTIONS}");
    stage.by_hand(node, &[&few]).await?;
    let mut crowd = Vec::new();
    while crowd.len() <= 2 * CONNECTIONS {
        match stage.cluster.at_server(node, &stage.account).await {
            Ok(session) => crowd.push(session),
            Err(error) => {
                let text = format!("{:#}", anyhow::Error::from(error));
                ensure!(text.contains("Too many connections"), "{node}: {text}");
                return Ok(crowd);
            }
        }
    }
    Err(anyhow::anyhow!("{node} lets more than {CONNECTIONS} in")).context("use up connections")
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_when_all_are_in_use_then_the_agent_keeps_control_and_can_fail_over() {
    story("too many connections", Shape::TwoAndWitness).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_when_all_are_in_use_among_three_then_the_agent_keeps_control_and_can_fail_over()
 {
    story("too many connections, three nodes", Shape::Three).await;
}
