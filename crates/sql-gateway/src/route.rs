//! Where the primary is, and how to reach it: the two things the gateway is told from outside.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use async_trait::async_trait;
use rustls::Connection;

use crate::behind::Behind;
use crate::lease::Lease;
use crate::replicas::Replicas;

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
    /// Who follows `target` in this epoch; reads may go there.
    pub replicas: Replicas,
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

/// An encrypted stream to the MariaDB port of another node.
pub struct Sealed {
    /// Connected; does not block, and belongs to no runtime's loop.
    pub socket: OwnedFd,
    /// Past its handshake.
    pub connection: Connection,
    /// Lives as long as the stream.
    pub leave: Box<dyn Leave>,
}

/// Until when a [`Sealed`] stream may be used.
pub trait Leave: Send {
    /// True from the moment in which not one more byte may pass. Whoever ends it shuts the socket down as well, which
    /// wakes the gateway.
    fn has_ended(&self) -> bool;
}

/// Opens byte streams to the MariaDB ports of the primary and of replicas (on this node directly, else through the
/// peers' mTLS).
///
/// The server must accept PROXY protocol headers from the stream's source address
/// (`proxy-protocol-networks`): the gateway's first bytes are such a header.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    /// The address of `node`'s server, the primary of `route` or one of its replicas, if it can be reached without
    /// anything between: the gateway then connects to it itself, and does not call [`Dial::dial`]. Must not block.
    ///
    /// To a server that is reached by its unix socket everybody behind the gateway is the gateway's own system user: to a
    /// primary only when `is_safe`, see [`Accounts::may_come_by_socket`](crate::Accounts::may_come_by_socket). On a replica
    /// only those log in who have proved to the primary who they are.
    fn direct(&self, route: &Route, node: &str, is_safe: bool) -> Option<Address> {
        let _ = (route, node, is_safe);
        None
    }

    /// The same for a client that has proved to nobody who it is: never a unix socket.
    fn proving(&self, route: &Route, node: &str) -> Option<Address> {
        let address = self.direct(route, node, false)?;
        matches!(address, Address::Tcp(_)).then_some(address)
    }

    /// A fresh stream to `node`, the primary of `route` or one of its replicas. The gateway bounds the time and tries
    /// again while statements wait.
    async fn dial(&self, route: &Route, node: &str) -> io::Result<Sealed>;
}
