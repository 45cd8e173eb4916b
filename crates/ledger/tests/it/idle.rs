//! What three nodes cost while nothing happens, and how long calls take then.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use ledger::{Record, Register as _, Swap};

use crate::net::{Cluster, LIMIT, still};

/// Time this thread has run.
fn own_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(stat.split(' ').next().unwrap().parse().unwrap())
}

/// On one thread, so that other tests beside it are not counted. Only broken code comes near the
/// bounds: a loop that does not wait uses a whole core and calls without end.
#[tokio::test]
async fn nodes_when_idle_then_cost_little() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    let count = || cluster.net.calls.load(Ordering::Relaxed);
    let (start, cpu, calls) = (Instant::now(), own_cpu(), count());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let seconds = start.elapsed().as_secs_f64();
    let share = own_cpu().abs_diff(cpu).as_secs_f64() / seconds * 100.0;
    let rate = (count() - calls) as f64 / seconds;
    println!("3 idle nodes: {share:.2} % of a core in all, {rate:.1} calls a second");
    assert!(share < 5.0, "{share:.2} % of a core");
    assert!((2.0..60.0).contains(&rate), "{rate:.1} calls a second");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_when_nothing_is_wrong_then_are_quick() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    for (id, who) in [(1, "the leader"), (2, "a follower")] {
        let register = cluster.nodes[&id].clone();
        let (mut reads, mut swaps) = (Vec::new(), Vec::new());
        for _ in 0..40 {
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
        let (read, swap) = (reads[20], swaps[20]);
        println!("from {who}: read {read:.1?}, swap {swap:.1?}");
        // Calls that wait for the next heartbeat take 200 ms.
        assert!(read < Duration::from_millis(180), "{who}: read {read:?}");
        assert!(swap < Duration::from_millis(180), "{who}: swap {swap:?}");
    }
    cluster.stop().await;
}
