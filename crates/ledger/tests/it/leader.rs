//! Losing leaders, and handing the lead to the witness.

use std::time::{Duration, Instant};

use ledger::{Change, Register as _};

use crate::net::{Cluster, quick, still, voter, write};

/// Several elections in a row without a winner; a cluster that is stuck takes longer.
const WORST: Duration = Duration::from_secs(15);

/// Cuts the leader off and measures until a swap wins elsewhere.
async fn lose_leader(cluster: &Cluster, body: &str) -> Duration {
    let leader = cluster.await_leader().await;
    let rest = cluster.other_than(&[leader]);
    let survivor = cluster.nodes[&rest].clone();
    cluster.net.isolate(leader);
    let start = Instant::now();
    write(&*survivor, body).await;
    let took = start.elapsed();
    println!(
        "{leader} lost, {:?} leads after {} ms",
        survivor.reach().leader,
        took.as_millis()
    );
    cluster.net.heal();
    took
}

/// Waits until every node can lose another one.
async fn await_all(cluster: &Cluster) {
    let all = |cluster: &Cluster| {
        let mut nodes = cluster.nodes.values();
        nodes.all(|raft| raft.reach().has_spare).then_some(())
    };
    cluster.until("all are back", all).await;
}

fn summary(mut times: Vec<Duration>) -> (Duration, Duration, Duration) {
    times.sort();
    (times[0], times[times.len() / 2], times[times.len() - 1])
}

/// Ends the leader for good, measures until a swap wins elsewhere, and starts it again.
async fn end_leader(cluster: &mut Cluster, body: &str) -> Duration {
    let leader = cluster.await_leader().await;
    let survivor = cluster.nodes[&cluster.other_than(&[leader])].clone();
    let start = Instant::now();
    cluster.close(leader).await;
    write(&*survivor, body).await;
    let took = start.elapsed();
    println!(
        "{leader} ended, {:?} leads after {} ms",
        survivor.reach().leader,
        took.as_millis()
    );
    cluster.open(leader).await;
    took
}

async fn lose_leaders(count: usize, witness: u64) -> (Duration, Duration, Duration) {
    let mut cluster = Cluster::of(3, witness, still()).await;
    let mut times = Vec::new();
    for round in 0..count {
        let body = format!("round {round}");
        times.push(match round % 2 {
            0 => lose_leader(&cluster, &body).await,
            _ => end_leader(&mut cluster, &body).await,
        });
        await_all(&cluster).await;
    }
    cluster.stop().await;
    let (best, median, worst) = summary(times);
    println!("leader lost {count} times: {best:.0?} / {median:.0?} / {worst:.0?}");
    (best, median, worst)
}

#[tokio::test(flavor = "multi_thread")]
async fn leader_when_lost_a_few_times_then_each_time_replaced_soon() {
    let (_, _, worst) = lose_leaders(5, 3).await;
    assert!(worst < WORST, "worst {worst:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn leader_when_lost_over_slow_links_then_replaced_soon() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    cluster.net.set_delay(Duration::from_millis(40));
    let mut times = Vec::new();
    for round in 0..3 {
        times.push(lose_leader(&cluster, &format!("round {round}")).await);
        await_all(&cluster).await;
    }
    cluster.stop().await;
    let (_, _, worst) = summary(times);
    assert!(worst < WORST, "worst {worst:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn leader_when_lost_without_a_witness_then_each_time_replaced_soon() {
    let (_, _, worst) = lose_leaders(5, 0).await;
    assert!(worst < WORST, "worst {worst:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn data_leader_when_lost_then_witness_follows_quickly() {
    let mut cluster = Cluster::of(3, 3, quick()).await;
    let mut times = Vec::new();
    for round in 0..3 {
        // Let a data node lead: the witness is cut off until one does.
        cluster.net.isolate(3);
        let leader = cluster
            .until("data leader", |c| c.leader().filter(|id| *id != 3))
            .await;
        cluster.net.heal();
        await_all(&cluster).await;
        assert_eq!(cluster.leader(), Some(leader));
        times.push(lose_leader(&cluster, &format!("round {round}")).await);
        let next = cluster
            .until("leader", |c| c.leader().filter(|id| *id != leader))
            .await;
        assert_eq!(next, 3);
    }
    cluster.stop().await;
    let (_, median, worst) = summary(times);
    println!("data leader lost, witness takes over: {median:.0?}, at worst {worst:.0?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn non_leader_when_lost_then_no_swap_waits() {
    let mut cluster = Cluster::of(3, 0, still()).await;
    let leader = cluster.await_leader().await;
    let lost = cluster.other_than(&[leader]);
    let other = cluster.other_than(&[leader, lost]);
    let (mut before, mut times) = (Vec::new(), Vec::new());
    let end = Instant::now() + Duration::from_secs(3);
    let mut is_lost = false;
    while Instant::now() < end {
        if !is_lost && end - Instant::now() < Duration::from_secs(2) {
            cluster.net.isolate(lost);
            is_lost = true;
        }
        let start = Instant::now();
        write(&*cluster.nodes[&other], "steady").await;
        if is_lost {
            times.push(start.elapsed());
        } else {
            before.push(start.elapsed());
        }
        assert_eq!(cluster.leader(), Some(leader));
    }
    let ((_, usual, _), (_, median, worst)) = (summary(before), summary(times));
    println!("a non-leader lost: writes took {median:.0?}, the slowest {worst:.0?}");
    // A write that waits for the lost one takes 400 ms; a busy disk delays only some.
    let most = usual * 2 + Duration::from_millis(200);
    assert!(median < most, "median {median:?}, usually {usual:?}");
    let no_spare = |cluster: &Cluster| (!cluster.nodes[&leader].reach().has_spare).then_some(());
    cluster.until("spare gone", no_spare).await;
    cluster.stop().await;
}

/// Reconciles under writes for three seconds; returns what was done and the slowest write.
async fn reconcile_under_writes(cluster: &Cluster) -> (Vec<Change>, Duration) {
    let writer = cluster.nodes[&2].clone();
    let writes = tokio::spawn(async move {
        let (mut worst, end) = (Duration::ZERO, Instant::now() + Duration::from_secs(3));
        while Instant::now() < end {
            let start = Instant::now();
            write(&*writer, "during handover").await;
            worst = worst.max(start.elapsed());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        worst
    });
    let mut done = Vec::new();
    while !writes.is_finished() {
        let changes = cluster.reconcile().await;
        done.extend(
            changes
                .into_iter()
                .filter(|change| *change != Change::Nothing),
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (done, writes.await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn lead_when_a_steady_witness_votes_then_is_handed_to_it_once() {
    for (count, witness) in [(3, 3), (5, 4)] {
        let mut cluster = Cluster::of(count, witness, quick()).await;
        assert_eq!(cluster.leader(), Some(1), "the founder leads at first");
        let (done, worst) = reconcile_under_writes(&cluster).await;
        println!("handover among {count}: the slowest write took {worst:.0?}");
        assert_eq!(done, [Change::HandedOver(witness)]);
        assert_eq!(cluster.leader(), Some(witness));
        cluster.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lead_when_the_witness_does_not_run_then_stays() {
    let mut cluster = Cluster::of(3, 3, quick()).await;
    let mut asleep = voter(3, true);
    asleep.running = false;
    cluster.wanted.insert(3, asleep);
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        assert_eq!(cluster.reconcile().await, [Change::Nothing]);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(cluster.leader(), Some(1));
    cluster.stop().await;
}
