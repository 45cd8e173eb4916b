//! What idle clients cost. What a query costs is for a benchmark to say, not for a test.

use crate::raw::Raw;
use crate::world::{World, alone};

fn status(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_idle_clients_when_logged_in_cost_little_memory() {
    if !alone("measure::a_thousand_idle_clients_when_logged_in_cost_little_memory") {
        return;
    }
    let world = World::before_pair();
    let address = world.address;
    drop(Raw::ready(address));
    let before = status("VmRSS");
    let clients = tokio::task::spawn_blocking(move || {
        let open = || {
            let mut raw = Raw::ready(address);
            raw.value("SELECT name FROM who");
            raw
        };
        (0..1000).map(|_| open()).collect::<Vec<_>>()
    });
    let clients = clients.await.unwrap();
    let bytes = (status("VmRSS") - before) * 1024 / clients.len() as u64;
    println!("{bytes} bytes per idle client (with the test's own half)");
    assert!(bytes < 6_000, "{bytes}");
}
