//! Measures what calls, connections and carried bytes cost between two endpoints on loopback:
//! `cargo run --release -p peer --example cost` (about half a minute, on a quiet machine).
//!
//! Both sides run in this process, so processor time and memory are those of both together.

#![expect(
    clippy::print_stdout,
    reason = "a measurement is printed for whoever asked for it"
)]

use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use peer::{Authority, Config, Endpoint, Handler, Incoming, JoinOffer, Listener, Refusal, Stream};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

type Result<T, E = Box<dyn Error + Send + Sync>> = std::result::Result<T, E>;

const LIMIT: Duration = Duration::from_secs(5);
/// About what a node tells the others about itself.
const BODY: usize = 2048;

/// Sends everything back.
struct Echo;

#[async_trait]
impl Handler for Echo {
    async fn call(&self, _: &str, _: &str, request: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        Ok(request)
    }

    async fn stream(&self, incoming: Incoming) {
        if let Ok(stream) = incoming.accept().await {
            let (mut read, mut write) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut read, &mut write).await;
            let _ = write.shutdown().await;
        }
    }

    async fn join(&self, _: JoinOffer) -> Result<Value, Refusal> {
        Err("nobody joins here".into())
    }
}

/// User and system time of this process.
#[derive(Clone, Copy)]
struct Cpu {
    user: Duration,
    system: Duration,
}

impl Cpu {
    fn now() -> Result<Self> {
        let stat = fs::read_to_string("/proc/self/stat")?;
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let fields: Vec<&str> = fields.split_whitespace().collect();
        let ticks = |at: usize| -> Result<Duration> {
            let ticks: u64 = fields.get(at).ok_or("a short /proc/self/stat")?.parse()?;
            Ok(Duration::from_millis(ticks * 10))
        };
        Ok(Self {
            user: ticks(11)?,
            system: ticks(12)?,
        })
    }

    /// The time used since then, for each of so many.
    fn since(self, count: u32) -> Result<String> {
        let now = Self::now()?;
        let user = now.user.abs_diff(self.user) / count;
        let system = now.system.abs_diff(self.system) / count;
        Ok(format!("user {user:?} system {system:?}"))
    }
}

fn resident_kb() -> Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.ok_or("no VmRSS")?.parse()?)
}

/// A caller and the listener it calls.
#[derive(Clone)]
struct Pair {
    caller: Endpoint,
    addr: SocketAddr,
}

impl Pair {
    async fn start() -> Result<(Self, Listener)> {
        let authority = Authority::create("cost")?;
        let endpoint = |name: &str| -> Result<Endpoint> {
            let identity = Arc::new(authority.enroll(name)?);
            Ok(Endpoint::new(identity, Config::default())?)
        };
        let any_port = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = endpoint("bravo")?.listen(any_port, Arc::new(Echo)).await?;
        let (caller, addr) = (endpoint("alpha")?, listener.local_addr());
        Ok((Self { caller, addr }, listener))
    }

    async fn call(&self) -> Result<()> {
        let call = self
            .caller
            .call("bravo", self.addr, "echo", vec![5; BODY], LIMIT);
        call.await?;
        Ok(())
    }

    async fn open(&self) -> Result<Stream> {
        let open = self
            .caller
            .open("bravo", self.addr, "echo", Value::Null, LIMIT);
        Ok(open.await?)
    }
}

async fn calls(pair: &Pair) -> Result<()> {
    pair.call().await?;
    let (start, used, count) = (Instant::now(), Cpu::now()?, 20_000);
    for _ in 0..count {
        pair.call().await?;
    }
    let each = start.elapsed() / count;
    println!("calls back to back: {each:?} each, {}", used.since(count)?);
    // 100 times ten a second: far enough above the resolution of the processor time.
    let used = Cpu::now()?;
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..100_u64 {
        let pair = pair.clone();
        tasks.spawn(async move {
            tokio::time::sleep(Duration::from_millis(number)).await;
            for _ in 0..100 {
                pair.call().await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Result::<()>::Ok(())
        });
    }
    while let Some(done) = tasks.join_next().await {
        done??;
    }
    println!("calls, 1000 a second: {} each", used.since(10_000)?);
    Ok(())
}

async fn connections(pair: &Pair) -> Result<()> {
    let open = || async {
        let mut stream = pair.open().await?;
        stream.write_all(&[1; BODY]).await?;
        stream.flush().await?;
        stream.read_exact(&mut [0; BODY]).await?;
        Result::<Stream>::Ok(stream)
    };
    let mut streams = Vec::new();
    for _ in 0..50 {
        streams.push(open().await?);
    }
    let (before, start, used) = (resident_kb()?, Instant::now(), Cpu::now()?);
    let count = 800;
    for _ in 0..count {
        streams.push(open().await?);
    }
    let (took, cpu) = (start.elapsed() / count, used.since(count)?);
    let each = resident_kb()?.saturating_sub(before) / u64::from(count);
    println!("connections: {took:?} to open one, {cpu}");
    println!("connections: {each} KB resident each (with the copy buffer of the echo)");
    Ok(())
}

async fn bytes(pair: &Pair) -> Result<()> {
    let (mut read, mut write) = tokio::io::split(pair.open().await?);
    let (start, used, megabytes) = (Instant::now(), Cpu::now()?, 400);
    let writer = tokio::spawn(async move {
        let chunk = vec![7; 1024 * 1024];
        for _ in 0..megabytes {
            write.write_all(&chunk).await?;
        }
        write.shutdown().await?;
        std::io::Result::Ok(write)
    });
    let mut buffer = vec![0; 256 * 1024];
    while read.read(&mut buffer).await? > 0 {}
    writer.await??;
    let rate = f64::from(2 * megabytes) / start.elapsed().as_secs_f64();
    println!("bytes, there and back: {rate:.0} MB/s, {}", used.since(1)?);
    Ok(())
}

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<()> {
    let (pair, _listener) = Pair::start().await?;
    calls(&pair).await?;
    connections(&pair).await?;
    bytes(&pair).await
}
