//! What calls and connections cost; run by hand: `cargo test --release -p peer cost -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{LIMIT, pair};

/// User and system time of this process.
#[derive(Clone, Copy)]
struct Cpu {
    user: Duration,
    system: Duration,
}

impl Cpu {
    fn now() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
        let fields: Vec<&str> = stat
            .rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .collect();
        let ticks = |at: usize| Duration::from_millis(fields[at].parse::<u64>().unwrap() * 10);
        Self {
            user: ticks(11),
            system: ticks(12),
        }
    }

    /// The time used since then, for each of so many.
    fn since(self, count: u32) -> String {
        let now = Self::now();
        let (user, system) = (
            now.user.abs_diff(self.user),
            now.system.abs_diff(self.system),
        );
        format!("user {:?} system {:?}", user / count, system / count)
    }
}

fn resident_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn cost_of_a_call_of_two_kilobytes() {
    let (_authority, alpha, bravo) = pair().await;
    let body = vec![5; 2048];
    let call = || {
        alpha
            .endpoint
            .call("bravo", bravo.addr, "echo", body.clone(), LIMIT)
    };
    call().await.unwrap();
    // Back to back: the cost without waking up.
    let (start, used) = (Instant::now(), Cpu::now());
    let count = 20_000;
    for _ in 0..count {
        call().await.unwrap();
    }
    let each = start.elapsed() / count;
    println!(
        "back to back: {each:?} a call, both sides {}",
        used.since(count)
    );
    // As heartbeats: ten a second, 100 pairs at the same time to get above the clock's resolution.
    let used = Cpu::now();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100_u64 {
        let (endpoint, addr, body) = (alpha.endpoint.clone(), bravo.addr, body.clone());
        tasks.spawn(async move {
            let service = "echo";
            tokio::time::sleep(Duration::from_millis(number)).await;
            for _ in 0..100 {
                let _ = endpoint
                    .call("bravo", addr, service, body.clone(), LIMIT)
                    .await
                    .unwrap();
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    println!("1000 a second: both sides {} a call", used.since(10_000));
}

#[tokio::test]
#[ignore = "a measurement"]
async fn cost_of_heartbeats_at_ten_a_second() {
    let (_authority, alpha, bravo) = pair().await;
    let body = vec![5; 2048];
    let call = || {
        alpha
            .endpoint
            .call("bravo", bravo.addr, "echo", body.clone(), LIMIT)
    };
    call().await.unwrap();
    let used = Cpu::now();
    for _ in 0..300 {
        call().await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    println!("10 a second: both sides {} a call", used.since(300));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn cost_of_an_idle_connection() {
    let (_authority, alpha, bravo) = pair().await;
    let open = || async {
        let opened = alpha
            .endpoint
            .open("bravo", bravo.addr, "echo", Value::Null, LIMIT)
            .await;
        let mut stream = opened.unwrap();
        stream.write_all(&[1; 2048]).await.unwrap();
        stream.flush().await.unwrap();
        let mut back = [0; 2048];
        stream.read_exact(&mut back).await.unwrap();
        stream
    };
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(open().await);
    }
    let (before, start, used) = (resident_kb(), Instant::now(), Cpu::now());
    for _ in 0..800 {
        streams.push(open().await);
    }
    let took = start.elapsed() / 800;
    let cpu = used.since(800);
    let each = (resident_kb() - before) / 800;
    println!("a connection: {each} KB resident both sides (with the copy buffer of the echo)");
    println!("opening one: {took:?}, both sides {cpu}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn cost_of_carrying_bytes() {
    let (_authority, alpha, bravo) = pair().await;
    let opened = alpha
        .endpoint
        .open("bravo", bravo.addr, "echo", Value::Null, LIMIT)
        .await;
    let (mut read, mut write) = tokio::io::split(opened.unwrap());
    let (start, used) = (Instant::now(), Cpu::now());
    let megabytes = 400;
    let writer = tokio::spawn(async move {
        let chunk = vec![7; 1024 * 1024];
        for _ in 0..megabytes {
            write.write_all(&chunk).await.unwrap();
        }
        write.shutdown().await.unwrap();
        write
    });
    let mut buf = vec![0; 256 * 1024];
    let mut total = 0_usize;
    loop {
        match read.read(&mut buf).await.unwrap() {
            0 => break,
            count => total += count,
        }
    }
    writer.await.unwrap();
    assert_eq!(total, megabytes * 1024 * 1024);
    let rate = (2 * megabytes) as f64 / start.elapsed().as_secs_f64();
    println!(
        "there and back: {rate:.0} MB/s, {} for 2x{megabytes} MB",
        used.since(1)
    );
}
