//! What noise cannot disturb: system calls and user instructions of a query, and memory.

use std::{path::Path, thread};

use anyhow::{Context, Result};

use super::{
    child::LOOK,
    client::{At, Client, Who},
    peer::Running,
    strace::Strace,
    sysbench::{self, Much},
    usage::{self, Part},
    workload::Workload,
};

/// The difference of these two is what is counted: connecting and leaving are in both.
const FEW: u64 = 800;
const MANY: u64 = 4_800;
/// So many clients come at the same time.
const DOORS: usize = 8;
const PACKET: usize = 17 << 20;
/// A result of a gigabyte, in rows.
const RESULT: &[u8] = b"SELECT REPEAT('x', 1000000) FROM seq_1_to_1000";
/// So many looks at files that no longer change: everybody has gone.
const STILL: u32 = 50;
const LOOKS: u32 = 1_500;

/// System calls for each point select over so many connections.
pub(super) async fn syscalls(
    running: &Running,
    who: &Who,
    threads: u32,
    dir: &Path,
) -> Result<f64> {
    let part = running.part.as_ref().context("nothing to count")?;
    let mut totals = Vec::new();
    for events in [FEW, MANY] {
        let strace = Strace::attach(part, dir).await?;
        let much = Much::Events(events);
        let ran = sysbench::run(Workload::PointPrepared, &running.at, who, threads, much).await?;
        let calls: u64 = strace.count().await?.values().sum();
        totals.push((ran.events as f64, ran.seconds, calls as f64));
    }
    // What it does by itself goes on in both runs, longer in the second.
    let idle = if part.threads.is_empty() {
        idle_calls(part, dir).await?
    } else {
        0.0
    };
    let [(few, short, less), (many, long, more)] = totals[..] else {
        anyhow::bail!("two counts");
    };
    Ok((more - less - idle * (long - short)) / (many - few))
}

/// System calls in a second in which nobody asks.
async fn idle_calls(part: &Part, dir: &Path) -> Result<f64> {
    const SECONDS: u64 = 3;
    let strace = Strace::attach(part, dir).await?;
    tokio::time::sleep(std::time::Duration::from_secs(SECONDS)).await;
    let calls: u64 = strace.count().await?.values().sum();
    Ok(calls as f64 / SECONDS as f64)
}

/// Resident memory at each stage, in KiB.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Memory {
    pub(super) idle: u64,
    /// Just before clients come.
    pub(super) before: u64,
    pub(super) thousand: u64,
    /// With so many clients, and how much.
    pub(super) most: (usize, u64),
    pub(super) closed: u64,
    /// The most while one packet of 17 MB passed, and afterwards.
    pub(super) packet: (u64, u64),
    /// The most while a result of a gigabyte passed.
    pub(super) result: u64,
}

impl Memory {
    /// Passes much through it, fills it with clients and lets them go again.
    pub(super) async fn measure(running: &Running, who: &Who, most: usize) -> Result<Self> {
        let pid = running.part.as_ref().context("nothing to measure")?.pid;
        let open = |count| open(&running.at, who, count);
        drop(open(1).await?);
        still(pid).await;
        let mut memory = Self {
            idle: usage::resident_kib(pid)?,
            ..Self::default()
        };
        // Why first: afterwards, what clients have left free would hide what a packet takes.
        let mut sql = b"SELECT LENGTH('".to_vec();
        sql.resize(PACKET, b'x');
        sql.extend_from_slice(b"')");
        memory.packet.0 = peak(running, who, pid, sql)
            .await
            .context("a packet of 17 MB")?;
        memory.packet.1 = usage::resident_kib(pid)?;
        let asked = peak(running, who, pid, RESULT.to_vec()).await;
        memory.result = asked.context("a result of a gigabyte")?;
        still(pid).await;
        memory.before = usage::resident_kib(pid)?;
        let mut clients = open(1_000).await.context("a thousand clients")?;
        still(pid).await;
        memory.thousand = usage::resident_kib(pid)?;
        if most > clients.len() {
            let more = open(most - clients.len()).await;
            clients.extend(more.with_context(|| format!("{most} clients"))?);
            still(pid).await;
            memory.most = (most, usage::resident_kib(pid)?);
        }
        tokio::task::spawn_blocking(move || {
            for client in clients {
                // Why ignored: one that was thrown out has left as well.
                let _ = client.leave();
            }
        })
        .await?;
        still(pid).await;
        memory.closed = usage::resident_kib(pid)?;
        Ok(memory)
    }
}

/// The most memory while a new client asks this.
async fn peak(running: &Running, who: &Who, pid: i32, sql: Vec<u8>) -> Result<u64> {
    usage::forget_peak(pid)?;
    let (at, who) = (running.at.clone(), who.clone());
    tokio::task::spawn_blocking(move || {
        let mut client = Client::connect(&at, &who)?;
        client.ask(&sql)?;
        client.leave()
    })
    .await??;
    usage::peak_kib(pid)
}

/// So many clients, each logged in, each of which has asked once.
async fn open(at: &At, who: &Who, count: usize) -> Result<Vec<Client>> {
    let (at, who) = (at.clone(), who.clone());
    let come = move || {
        thread::scope(|scope| {
            let door = |number: usize| {
                let share = count / DOORS + usize::from(number < count % DOORS);
                let (at, who) = (&at, &who);
                scope.spawn(move || (0..share).map(|_| one(at, who)).collect::<Result<Vec<_>>>())
            };
            let doors: Vec<_> = (0..DOORS).map(door).collect();
            let mut all = Vec::new();
            for door in doors {
                let clients = door
                    .join()
                    .map_err(|_| anyhow::anyhow!("a client broke down"))?;
                all.extend(clients?);
            }
            Ok(all)
        })
    };
    tokio::task::spawn_blocking(come).await?
}

fn one(at: &At, who: &Who) -> Result<Client> {
    let mut client = Client::connect(at, who)?;
    client.ask(b"SELECT 1")?;
    Ok(client)
}

/// Waits until it opens and closes no more files.
async fn still(pid: i32) {
    let (mut before, mut same) = (usage::open_files(pid), 0);
    for _ in 0..LOOKS {
        tokio::time::sleep(LOOK).await;
        let now = usage::open_files(pid);
        same = if now == before { same + 1 } else { 0 };
        before = now;
        if same >= STILL {
            return;
        }
    }
}
