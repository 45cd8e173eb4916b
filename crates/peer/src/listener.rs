//! The peer port: accepts connections, bounds those that have not shown who they are, and gives each
//! its own task, so that whatever arrives on one ends that one only.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::task::{JoinHandle, JoinSet};

use crate::gate::Gate;
use crate::session::{self, Ended};
use crate::socket::{PROMPT, Port, Socket};
use crate::throttle::Throttle;
use crate::{Endpoint, Error, Handler, Result};

/// After a failed accept (no more file descriptors) others get time to end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The open peer port; dropping it closes the port and everything served on it.
#[derive(Debug)]
pub struct Listener {
    local: SocketAddr,
    task: JoinHandle<()>,
}

impl Listener {
    /// The address that is listened on (the port chosen by the kernel, when 0 was asked for).
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Closes the port and ends everything served on it; done when this returns.
    pub async fn close(mut self) {
        self.task.abort();
        let _ = (&mut self.task).await;
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn open(
    endpoint: Endpoint,
    addr: SocketAddr,
    handler: Arc<dyn Handler>,
) -> Result<Listener> {
    let failed = |source| Error::Listen { addr, source };
    let listener = Port::open(addr).await.map_err(failed)?;
    let local = listener.local_addr().map_err(failed)?;
    let door = Arc::new(Door {
        gate: Gate::new(endpoint.0.config.unauthenticated_max),
        throttle: Throttle::default(),
        endpoint,
        handler,
    });
    let task = tokio::spawn(accept(listener, door));
    Ok(Listener { local, task })
}

struct Door {
    endpoint: Endpoint,
    handler: Arc<dyn Handler>,
    gate: Arc<Gate>,
    throttle: Throttle,
}

async fn accept(listener: Port, door: Arc<Door>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((tcp, from)) => {
                    connections.spawn(serve(Arc::clone(&door), tcp, from));
                }
                Err(error) => {
                    door.note(&format!("accept on the peer port: {error}"));
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
            Some(ended) = connections.join_next() => {
                if ended.is_err_and(|error| error.is_panic()) {
                    tracing::error!("a connection on the peer port ended by a bug in its service");
                }
            }
        }
    }
}

async fn serve(door: Arc<Door>, tcp: TcpStream, from: SocketAddr) {
    let Ok(socket) = Socket::new(tcp, PROMPT) else {
        return;
    };
    let slot = door.gate.enter(from.ip(), socket.severer());
    let outcome = session::serve(&door.endpoint, &*door.handler, socket, (from, slot)).await;
    if let Err(Ended { who, reason }) = outcome {
        let who = who.map_or_else(|| from.to_string(), |node| format!("`{node}` ({from})"));
        door.note(&format!("connection from {who} ended: {reason}"));
    }
}

impl Door {
    /// One line per interval, with the number of those not shown.
    fn note(&self, line: &str) {
        if let Some(swallowed) = self.throttle.pass(Instant::now()) {
            let evicted = self.gate.evicted();
            tracing::info!(swallowed, evicted, "{line}");
        }
    }
}
