//! What the gateway costs: run with `cargo test --release -p sql-gateway --test it measure -- --ignored --nocapture`.

use std::collections::BTreeMap;

use tokio::process::Command;

use crate::raw::Raw;
use crate::server::until;
use crate::world::{World, alone, pair};

fn status(key: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn cpu_ticks() -> u64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap()
        .split_whitespace()
        .collect();
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes a minute; for figures"]
async fn point_selects_when_measured_against_the_server() {
    let world = World::before_pair();
    let options = |port: u16, extra: &[String]| {
        let mut options: Vec<String> = [
            "oltp_point_select",
            "--mysql-host=127.0.0.1",
            "--mysql-user=app",
            "--mysql-password=pw",
            "--mysql-db=measured",
            "--tables=1",
            "--table-size=10000",
            "--time=4",
        ]
        .map(str::to_owned)
        .to_vec();
        options.push(format!("--mysql-port={port}"));
        options.extend_from_slice(extra);
        options
    };
    let direct = pair()[0].port;
    pair()[0].sql("CREATE DATABASE measured");
    assert!(
        Command::new("sysbench")
            .args(options(direct, &[]))
            .arg("prepare")
            .output()
            .await
            .unwrap()
            .status
            .success()
    );
    let mut figures = BTreeMap::<(usize, &str), Vec<[f64; 3]>>::new();
    for _round in 0..3 {
        for threads in [1, 8] {
            for (name, port) in [("direct", direct), ("gateway", world.address.port())] {
                let ticks = cpu_ticks();
                let extra = [format!("--threads={threads}"), "--percentile=50".to_owned()];
                let output = Command::new("sysbench")
                    .args(options(port, &extra))
                    .arg("run")
                    .output()
                    .await
                    .unwrap();
                let report = String::from_utf8(output.stdout).unwrap();
                let number = |key: &str, split: char| -> f64 {
                    let line = report.lines().find(|line| line.contains(key)).unwrap();
                    let text = line.rsplit(split).next().unwrap().trim();
                    text.split_whitespace().next().unwrap().parse().unwrap()
                };
                let queries = number("queries:", ':');
                let cpu_us = (cpu_ticks() - ticks) as f64 * 10_000.0 / queries;
                figures.entry((threads, name)).or_default().push([
                    number("50th percentile:", ':'),
                    cpu_us,
                    queries / 4.0,
                ]);
            }
        }
    }
    for ((threads, name), rounds) in figures {
        println!("{threads} threads, {name}: (p50 ms, gateway CPU us/query, QPS) {rounds:.3?}");
    }
    until(std::time::Duration::from_secs(1), "all is counted", || {
        world.handle.stats().errors == 0
    });
}
