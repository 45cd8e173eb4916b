//! Carries a stream from another node (a gateway's SQL connection) to a local server and back.
//! Dropping the future, or cutting the node, ends both sides.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use crate::pipe::{Tap, Until, pipe};
use crate::socket::{PATIENT, Socket};
use crate::{Error, Incoming, Result};

/// Bytes that were carried.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Forwarded {
    /// From the other node to the local server.
    pub to_server: u64,
    /// From the local server to the other node.
    pub from_server: u64,
}

/// Connects to the local server (within `limit`), accepts the stream, and carries bytes both ways until
/// both sides have ended. When the server does not accept a connection the stream is refused.
pub async fn forward(incoming: Incoming, server: SocketAddr, limit: Duration) -> Result<Forwarded> {
    let peer = incoming.from.clone();
    let mut local = match Socket::connect(server, limit).await {
        Ok(local) => local,
        Err(source) => {
            incoming
                .refuse(format!("the server does not accept connections: {source}"))
                .await;
            return Err(Error::Connect {
                addr: server,
                source,
            });
        }
    };
    let lost = |source| Error::Lost {
        peer: peer.clone(),
        source,
    };
    local.limit_unacknowledged(PATIENT).map_err(lost)?;
    let mut stream = incoming.accept().await?;
    let (mut there, mut back) = (Count(0), Count(0));
    let piped = pipe(
        &mut stream,
        &mut local,
        (&mut there, &mut back),
        Until::BothEnd,
    )
    .await;
    let forwarded = Forwarded {
        to_server: there.0,
        from_server: back.0,
    };
    if piped.is_err() {
        // Why: each side must learn of the other's end at once, whatever is still buffered.
        local.sever();
        stream.abort();
    }
    piped.map_err(lost).map(|()| forwarded)
}

struct Count(u64);

impl Tap for Count {
    fn pass(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.0 += chunk.len() as u64;
        Ok(())
    }
}
