//! What three nodes cost while nothing happens.

use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::net::{Cluster, still};

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
