//! Where the primary is, and how to reach it: the two things the gateway is told from outside.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::behind::Behind;
use crate::lease::Lease;

/// What the gateway follows. The greatest epoch heard of wins; a route of an older epoch is ignored.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Route {
    /// The ledger's epoch that made `target` the primary.
    pub epoch: u64,
    /// The writable primary; `None` while there is none: statements wait, old connections are cut.
    pub target: Option<Target>,
    /// New transactions and statements outside a transaction wait; open transactions may go on.
    pub hold: bool,
    /// Until when nothing newer can be true; after that reads wait for it to be put off.
    pub lease: Lease,
    /// How far the epoch's history reaches; the gateway goes on counting.
    pub behind: Behind,
}

/// A writable primary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The node's name, as the ledger has it.
    pub node: String,
}

/// Where a server listens on this machine, or on one that is as near.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A TCP port.
    Tcp(SocketAddr),
    /// A unix socket.
    Unix(PathBuf),
}

/// A byte stream to a MariaDB port.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Opens byte streams to the primary's MariaDB port (on this node directly, else through the peers' mTLS).
///
/// The server must accept PROXY protocol headers from the stream's source address
/// (`proxy-protocol-networks`): the gateway's first bytes are such a header.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    /// The address of `route.target`'s server if it can be reached without anything between: the gateway then
    /// connects to it itself, and does not call [`Dial::dial`]. Must not block.
    ///
    /// Not a unix socket when the server has accounts of the plugin `unix_socket`: to the server everybody behind the
    /// gateway would be the gateway's own system user.
    fn direct(&self, route: &Route) -> Option<Address> {
        let _ = route;
        None
    }

    /// A fresh stream to `route.target`. The gateway bounds the time and tries again while statements wait.
    async fn dial(&self, route: &Route) -> io::Result<Box<dyn Stream>>;
}
