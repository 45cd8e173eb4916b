//! The contract of all backends, run against Raft.

use std::time::Duration;

use crate::net::{Cluster, still};

#[tokio::test(flavor = "multi_thread")]
async fn contract_when_run_by_three_voters_then_holds() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    ledger::contract::all(&cluster.handles()).await.unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_when_links_are_slow_then_holds() {
    let mut cluster = Cluster::of(3, 0, still()).await;
    cluster.net.set_delay(Duration::from_millis(2));
    ledger::contract::all(&cluster.handles()).await.unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn contract_when_run_by_a_voter_and_a_learner_then_holds() {
    let mut cluster = Cluster::found(still()).await;
    cluster.wanted.insert(2, crate::net::voter(2, false));
    cluster.open(2).await;
    cluster.settle(1).await;
    ledger::contract::all(&cluster.handles()).await.unwrap();
    cluster.stop().await;
}
