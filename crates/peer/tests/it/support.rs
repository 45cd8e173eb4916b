//! Clusters of endpoints on loopback, and waiting for a condition.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use peer::tunnel::{self, Admissions};
use peer::{Authority, Config, Endpoint, Handler, Incoming, JoinOffer, Listener, Refusal};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

pub(crate) fn any_port() -> SocketAddr {
    "127.0.0.1:0".parse().unwrap()
}

/// A port that was free a moment ago, below those that the kernel gives to outgoing connections: one
/// of these would otherwise take it while it is closed.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let start = u64::from(std::process::id()) * 97;
    loop {
        let number = start + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + (number % 20_000) as u16;
        if std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub(crate) async fn wait_until(what: &str, limit: Duration, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A service with everything the tests need.
#[derive(Default)]
pub(crate) struct TestService {
    pub(crate) calls: AtomicU64,
    pub(crate) joins: AtomicU64,
    pub(crate) admissions: Option<Admissions>,
    pub(crate) refuse_joins: bool,
}

#[async_trait]
impl Handler for TestService {
    async fn call(&self, from: &str, service: &str, request: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        match service {
            "echo" => Ok(request),
            "who" => Ok(from.as_bytes().to_vec()),
            "big" => Ok(vec![7; peer::MAX_FRAME + 1]),
            "hang" => std::future::pending().await,
            "panic" => panic!("a bug in a service"),
            other => Err(format!("no service `{other}`").into()),
        }
    }

    async fn stream(&self, incoming: Incoming) {
        match incoming.service.as_str() {
            "echo" => {
                let mut stream = incoming.accept().await.unwrap();
                let (mut read, mut write) = tokio::io::split(&mut stream);
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            }
            "header" => {
                let header = incoming.header.clone();
                let mut stream = incoming.accept().await.unwrap();
                stream
                    .write_all(header.to_string().as_bytes())
                    .await
                    .unwrap();
                stream.shutdown().await.unwrap();
            }
            "silent" => {
                let mut stream = incoming.accept().await.unwrap();
                let _ = stream.read_u8().await;
            }
            "detached" => {
                let stream = incoming.accept().await.unwrap();
                let detached = stream.detach().unwrap();
                while !detached.hold.is_cut() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            tunnel::SERVICE => self.admissions.as_ref().unwrap().take(incoming).await,
            other => {
                let reason = format!("no stream `{other}` here");
                incoming.refuse(reason).await;
            }
        }
    }

    async fn join(&self, offer: JoinOffer) -> Result<Value, Refusal> {
        self.joins.fetch_add(1, Ordering::Relaxed);
        if self.refuse_joins {
            return Err("the name is taken".into());
        }
        Ok(json!({ "hello": offer.name, "again": offer.again, "got": offer.payload }))
    }
}

/// A node that listens.
pub(crate) struct Node {
    pub(crate) endpoint: Endpoint,
    pub(crate) listener: Listener,
    pub(crate) addr: SocketAddr,
    pub(crate) service: Arc<TestService>,
}

pub(crate) async fn node(authority: &Authority, name: &str) -> Node {
    node_with(authority, name, TestService::default(), Config::default()).await
}

pub(crate) async fn node_with(
    authority: &Authority,
    name: &str,
    service: TestService,
    config: Config,
) -> Node {
    let identity = Arc::new(authority.enroll(name).unwrap());
    let endpoint = Endpoint::new(identity, config).unwrap();
    let service = Arc::new(service);
    let handler: Arc<dyn Handler> = Arc::<TestService>::clone(&service);
    let listener = endpoint.listen(any_port(), handler).await.unwrap();
    let addr = listener.local_addr();
    Node {
        endpoint,
        listener,
        addr,
        service,
    }
}

pub(crate) async fn pair() -> (Authority, Node, Node) {
    let authority = Authority::create("test").unwrap();
    let alpha = node(&authority, "alpha").await;
    let bravo = node(&authority, "bravo").await;
    (authority, alpha, bravo)
}
