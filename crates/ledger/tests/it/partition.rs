//! Cut links: who is cut off neither reads nor swaps, who is cut off from the leader alone does.

use std::time::{Duration, Instant};

use ledger::{Record, Register, Swap};

use crate::net::{Cluster, still, write};

const SHORT: Duration = Duration::from_millis(1500);

#[tokio::test(flavor = "multi_thread")]
async fn isolated_leader_when_another_leads_then_neither_reads_nor_swaps() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    write(&*cluster.nodes[&1], "before").await;
    let old = cluster.await_leader().await;
    cluster.net.isolate(old);
    let alone = cluster.nodes[&old].clone();
    assert!(alone.read(SHORT).await.is_err(), "an isolated leader read");
    let rest = cluster.other_than(&[old]);
    let after = write(&*cluster.nodes[&rest], "after").await;
    // Its own copy is old now, and it may not answer from it.
    assert!(alone.read(SHORT).await.is_err(), "an isolated leader read");
    let next = Record::following(Some(after.rev - 1), b"stale".to_vec()).unwrap();
    let told = alone.swap(Some(after.rev - 1), next.clone(), SHORT).await;
    assert_eq!(told, Swap::Undecided);
    assert!(!alone.reach().reachable);
    cluster.net.heal();
    assert_eq!(
        alone.read(crate::net::LIMIT).await.unwrap(),
        Some(after.clone())
    );
    assert_eq!(
        alone.swap(Some(after.rev - 1), next, SHORT).await,
        Swap::Lost(Some(after))
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swap_when_its_leader_is_cut_off_midway_then_lands_at_most_once() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    for round in 0..3 {
        let leader = cluster.await_leader().await;
        let before = write(&*cluster.nodes[&leader], "before").await;
        let next = Record::following(Some(before.rev), b"midway".to_vec()).unwrap();
        // The leader proposes to itself just when it loses the others.
        cluster.net.isolate(leader);
        let proposer = cluster.nodes[&leader].clone();
        let told = proposer
            .swap(Some(before.rev), next.clone(), Duration::from_millis(300))
            .await;
        assert_eq!(told, Swap::Undecided, "round {round}");
        let rest = cluster.other_than(&[leader]);
        let bump = write(&*cluster.nodes[&rest], "bump").await;
        cluster.net.heal();
        let settled = proposer
            .swap(Some(before.rev), next.clone(), crate::net::LIMIT)
            .await;
        match settled {
            Swap::Won => assert_eq!(bump.rev, next.rev + 1),
            Swap::Lost(_) => assert_eq!(bump.rev, next.rev),
            Swap::Undecided => panic!("still undecided"),
        }
        cluster
            .until("a leader all agree on", Cluster::leader)
            .await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn node_when_cut_from_the_leader_alone_then_still_reads_and_swaps() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    let leader = cluster.await_leader().await;
    let cut = cluster.other_than(&[leader]);
    cluster.net.cut_link(leader, cut);
    let node = cluster.nodes[&cut].clone();
    let written = write(&*node, "through another").await;
    assert_eq!(node.read(crate::net::LIMIT).await.unwrap(), Some(written));
    // It hears nothing of the leader, but the others do, so it must not get in their way.
    let end = Instant::now() + Duration::from_millis(2500);
    while Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(cluster.leader(), Some(leader));
    }
    cluster.stop().await;
}

/// How long a write takes on this machine now, as things are: the median of a few.
async fn usual(register: &dyn Register) -> Duration {
    let mut times = Vec::new();
    for _ in 0..9 {
        let start = Instant::now();
        write(register, "usual").await;
        times.push(start.elapsed());
    }
    times.sort();
    times[times.len() / 2]
}

#[tokio::test(flavor = "multi_thread")]
async fn follower_when_isolated_and_healed_then_leader_stays() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    let leader = cluster.await_leader().await;
    let other = cluster.other_than(&[leader]);
    for round in 0..2 {
        let usual = usual(&*cluster.nodes[&leader]).await;
        cluster.net.isolate(other);
        let end = Instant::now() + Duration::from_millis(1500);
        let mut times = Vec::new();
        while Instant::now() < end {
            let start = Instant::now();
            write(&*cluster.nodes[&leader], "alone").await;
            times.push(start.elapsed());
            assert_eq!(cluster.leader(), Some(leader), "round {round}");
        }
        times.sort();
        // A write that waits for the lost one takes 400 ms; a busy disk delays only some.
        let median = times[times.len() / 2];
        assert!(
            median < usual * 2 + Duration::from_millis(200),
            "round {round}: {median:?}, usually {usual:?}"
        );
        cluster.net.heal();
        cluster
            .until("it is back", |cluster| {
                cluster.nodes[&other].reach().reachable.then_some(())
            })
            .await;
        let start = Instant::now();
        write(&*cluster.nodes[&other], "back").await;
        assert!(
            start.elapsed() < crate::net::LIMIT,
            "interrupted in round {round}"
        );
        assert_eq!(cluster.leader(), Some(leader), "round {round}");
    }
    cluster.stop().await;
}
