//! What three nodes cost while nothing happens.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ledger::{Record, Register as _, Swap};

use crate::net::{Cluster, LIMIT, still};

fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/schedstat").unwrap_or_default();
    let own: f64 = stat
        .split(' ')
        .next()
        .and_then(|it| it.parse().ok())
        .unwrap_or_default();
    let threads = std::fs::read_dir("/proc/self/task").unwrap().flatten();
    let all: f64 = threads
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|stat| stat.split(' ').next()?.parse::<f64>().ok())
        .sum();
    all.max(own) / 1e9
}

#[tokio::test]
#[ignore = "a measurement, needs a quiet machine"]
async fn nodes_when_idle_then_cost_little() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    let span = Duration::from_secs(30);
    let (before, calls) = (cpu_seconds(), cluster.net.calls.load(Ordering::Relaxed));
    tokio::time::sleep(span).await;
    let used = cpu_seconds() - before;
    let calls = cluster.net.calls.load(Ordering::Relaxed) - calls;
    let share = used / span.as_secs_f64() * 100.0;
    println!(
        "3 idle nodes: {share:.3} % of a core in all, {} calls a second",
        calls / 30
    );
    assert!(share / 3.0 < 0.15, "{share} %");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn calls_when_nothing_is_wrong_then_are_quick() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    for (id, who) in [(1, "the leader"), (2, "a follower")] {
        let register = cluster.nodes[&id].clone();
        let (mut reads, mut swaps) = (Vec::new(), Vec::new());
        for _ in 0..300 {
            let start = Instant::now();
            let now = register.read(LIMIT).await.unwrap();
            reads.push(start.elapsed());
            let rev = now.map(|record| record.rev);
            let next = Record::following(rev, vec![b'x'; 2048]).unwrap();
            let start = Instant::now();
            assert_eq!(register.swap(rev, next, LIMIT).await, Swap::Won);
            swaps.push(start.elapsed());
        }
        reads.sort();
        swaps.sort();
        println!(
            "from {who}: read {:.1?} (99 %: {:.1?}), swap {:.1?} (99 %: {:.1?})",
            reads[150], reads[297], swaps[150], swaps[297]
        );
    }
    cluster.stop().await;
}
