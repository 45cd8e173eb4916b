//! Strangers flood every port that a network reaches: nobody loses the primary, protection stays, the load
//! goes on, and no agent grows.

use std::{
    collections::VecDeque,
    io::Write,
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use trial::Place;

use crate::stage::{Measured, Shape, Stage, tell};

/// Connections that each flood keeps open: more than a port lets stand there unknown.
const HELD: usize = 700;
/// Connections in all before the story goes on.
const ENOUGH: u64 = 10_000;
/// How long they may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);
/// Of each agent, in KiB.
const MEMORY: u64 = 100 * 1024;

/// Threads that connect again and again until this is dropped.
struct Flood {
    is_over: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Flood {
    fn start(targets: Vec<(Place, SocketAddr)>) -> Self {
        let (is_over, made) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let start = |(place, address): (Place, SocketAddr)| {
            let (is_over, made) = (Arc::clone(&is_over), Arc::clone(&made));
            thread::spawn(move || {
                if place.enter().is_ok() {
                    pour(address, &is_over, &made);
                }
            })
        };
        let threads = targets.into_iter().map(start).collect();
        Self {
            is_over,
            made,
            threads,
        }
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// Silent ones, noisy ones, half handshakes: all are kept open as long as the other side lets them.
fn pour(address: SocketAddr, is_over: &AtomicBool, made: &AtomicU64) {
    const WORDS: [&[u8]; 4] = [
        b"",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03",
        b"\xff\xff\xff\x01\xff\xff\xff\xff",
    ];
    let mut held = VecDeque::new();
    for word in WORDS.iter().cycle() {
        if is_over.load(Ordering::Relaxed) {
            return;
        }
        if let Ok(mut stream) = TcpStream::connect_timeout(&address, Duration::from_secs(2)) {
            let _ = stream.write_all(word);
            held.push_back(stream);
            made.fetch_add(1, Ordering::Relaxed);
        }
        if held.len() > HELD {
            held.pop_front();
        }
    }
}

/// The peer port of each node from another node's network, the gateways from their own.
fn targets(stage: &Stage) -> Result<Vec<(Place, SocketAddr)>> {
    let nodes = stage.cluster.nodes();
    let mut targets = Vec::new();
    for (at, node) in nodes.iter().enumerate() {
        let from = &nodes[(at + 1) % nodes.len()];
        targets.push((from.place().clone(), node.peer_address()));
    }
    for name in stage.everyone() {
        let node = stage.cluster.node(&name)?;
        targets.push((node.place().clone(), node.sql_address()));
    }
    Ok(targets)
}

#[tokio::test(flavor = "multi_thread")]
async fn ports_when_flooded_then_protected_all_the_time_and_nobody_is_replaced() {
    tell("ports flooded", Shape::TwoAndWitness, async |stage| {
        let before = stage.cluster.any_status().await?;
        let start = Instant::now();
        let flood = Flood::start(targets(stage)?);
        while flood.made.load(Ordering::Relaxed) < ENOUGH && start.elapsed() < PATIENCE {
            stage.flows(&stage.everyone()).await?;
            let now = stage.cluster.any_status().await?;
            ensure!(
                now.is_protected() && now.epoch == before.epoch,
                "{} became {}",
                before.summary(),
                now.summary()
            );
        }
        let made = flood.made.load(Ordering::Relaxed);
        ensure!(made > ENOUGH / 10, "only {made} connections came about");
        for node in stage.cluster.nodes() {
            let memory = node.agent_memory_kib().context("its agent has ended")?;
            ensure!(memory < MEMORY, "{}: {memory} KiB", node.name());
        }
        drop(flood);
        Ok(Measured::new(start, stage.everyone()))
    })
    .await;
}
