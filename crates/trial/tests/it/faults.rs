//! Each fault does what it says, and can be taken back.

use std::time::{Duration, Instant};

use trial::{Error, Fault, Layout, Outcome};

use crate::{LIMIT, cluster, limits, load, namespaces};

#[tokio::test(flavor = "multi_thread")]
async fn server_when_killed_under_load_then_writers_meet_errors_and_nothing_acknowledged_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(&dir, Layout::Loopback).await;
    let load = load(&cluster).await;
    let done = cluster.inject("alpha", Fault::KillServer).unwrap();
    load.wait_acknowledged(&["alpha"], 30, LIMIT).await.unwrap();
    let history = load.finish().await.unwrap();
    assert!(!history.errors.is_empty());
    let bad = history.writes(Outcome::Failed).count() + history.writes(Outcome::Unknown).count();
    assert!(bad > 0, "{}", history.errors_line());
    let gap = history.gap_around(done.at, None, &["alpha"]).unwrap();
    assert!(gap.ended && gap.length > Duration::from_millis(30), "{gap}");
    let verdict = cluster.judge(&history, limits()).await.unwrap();
    assert!(verdict.is_good(), "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn server_when_frozen_and_woken_then_the_gap_is_as_long_as_the_frost() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(&dir, Layout::Loopback).await;
    let load = load(&cluster).await;
    let done = cluster.inject("alpha", Fault::FreezeServer).unwrap();
    let frost = Duration::from_millis(1_200);
    while done.at.elapsed() < frost {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let counted = load.live()[0].silence;
    assert!(counted >= Duration::from_secs(1), "{counted:?}");
    cluster.heal(&done).unwrap();
    load.wait_acknowledged(&["alpha"], 30, LIMIT).await.unwrap();
    let history = load.finish().await.unwrap();
    let gap = history.gap_around(done.at, None, &["alpha"]).unwrap();
    assert!(gap.length >= Duration::from_secs(1), "{gap}");
    let verdict = cluster.judge(&history, limits()).await.unwrap();
    assert!(verdict.is_good(), "{verdict}");
}

#[tokio::test(flavor = "multi_thread")]
async fn node_when_killed_frozen_or_without_agent_then_it_can_be_brought_back_each_time() {
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(&dir, Layout::Loopback).await;
    let load = load(&cluster).await;
    // Why: the stand-in does not survive being killed in the middle of making the tables.
    caught_up(&cluster).await;
    for fault in [Fault::KillNode, Fault::FreezeNode] {
        let done = cluster.inject("bravo", fault).unwrap();
        let asked = Instant::now();
        assert!(cluster.status("bravo").await.is_err() || fault == Fault::FreezeNode);
        assert!(asked.elapsed() < LIMIT);
        cluster.heal(&done).unwrap();
        cluster.wait_protected(LIMIT).await.unwrap();
        caught_up(&cluster).await;
    }
    let again = cluster.inject("bravo", Fault::KillNode).unwrap();
    assert!(matches!(
        cluster.inject("bravo", Fault::KillServer),
        Err(Error::NotRunning {
            what: "database server",
            ..
        })
    ));
    cluster.heal(&again).unwrap();
    let history = load.finish().await.unwrap();
    let verdict = cluster.judge(&history, limits()).await.unwrap();
    assert!(verdict.is_good(), "{verdict}");
    assert!(matches!(
        cluster.inject("bravo", Fault::PullCable),
        Err(Error::NoCable)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn cable_when_pulled_silenced_or_parted_then_the_replica_falls_behind_and_catches_up() {
    let Some((layout, _alone)) = namespaces().await else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let cluster = cluster(&dir, layout).await;
    let load = load(&cluster).await;
    for fault in [Fault::PullCable, Fault::Silence, Fault::Vanish] {
        let done = cluster.inject("bravo", fault).unwrap();
        load.wait_acknowledged(&["alpha"], 20, LIMIT).await.unwrap();
        assert!(
            position(&cluster, "alpha").await > position(&cluster, "bravo").await,
            "{fault:?}"
        );
        cluster.heal(&done).unwrap();
        caught_up(&cluster).await;
    }
    cluster.part("alpha", "bravo").unwrap();
    load.wait_acknowledged(&["alpha"], 20, LIMIT).await.unwrap();
    assert!(position(&cluster, "alpha").await > position(&cluster, "bravo").await);
    cluster.reunite("alpha", "bravo").unwrap();
    let history = load.finish().await.unwrap();
    let verdict = cluster.judge(&history, limits()).await.unwrap();
    assert!(verdict.is_good(), "{verdict}");
}

/// The sequence number it holds; 0 when it does not run.
async fn position(cluster: &trial::Cluster, node: &str) -> u64 {
    use mysql_async::prelude::Queryable;
    let Ok(mut connection) = crate::damage::database(cluster, node).connect().await else {
        return 0;
    };
    let read: Option<String> = connection
        .query_first("SELECT @@gtid_current_pos")
        .await
        .unwrap();
    connection.disconnect().await.unwrap();
    // A server that has just started may not have told its position yet.
    read.and_then(|read| read.rsplit('-').next()?.parse().ok())
        .unwrap_or(0)
}

/// The replica holds what the other held when this was called.
async fn caught_up(cluster: &trial::Cluster) {
    let until = Instant::now() + LIMIT;
    let goal = position(cluster, "alpha").await;
    while position(cluster, "bravo").await < goal {
        assert!(Instant::now() < until, "the replica did not catch up");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
