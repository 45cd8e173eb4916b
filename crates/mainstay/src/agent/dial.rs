//! How this node's gateway reaches the primary and its replicas: its own server directly, another node's through that
//! node's agent, which lets it through only in the epoch it names.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cluster::NodeName;
use sql_gateway::{Address, Dial, Leave, Route, Sealed};

use super::node::{Node, local};
use super::reception::{SQL, SqlHeader};

/// The gateway bounds the time as well; this ends what it has given up.
const LIMIT: Duration = Duration::from_secs(5);

fn is_primary(route: &Route, node: &str) -> bool {
    let target = route.target.as_ref();
    target.is_some_and(|target| target.node == node)
}

/// A stream to another node, for a gateway's loop.
pub(super) fn seal(stream: peer::Stream) -> io::Result<Sealed> {
    let peer::Detached {
        socket,
        connection,
        hold,
    } = stream.detach()?;
    Ok(Sealed {
        socket,
        connection,
        leave: Box::new(Held(hold)),
    })
}

/// A node that is removed is cut.
struct Held(peer::Hold);

impl Leave for Held {
    fn has_ended(&self) -> bool {
        self.0.is_cut()
    }
}

/// Dials servers of the route.
pub(super) struct Dialer {
    node: Arc<Node>,
}

impl Dialer {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }
}

#[async_trait]
impl Dial for Dialer {
    fn direct(&self, route: &Route, node: &str, is_safe: bool) -> Option<Address> {
        if node != self.node.config.name.as_str() {
            return None;
        }
        let server = self.node.server.as_ref()?;
        // A socket costs less processor time than loopback.
        Some(if is_safe || !is_primary(route, node) {
            Address::Unix(server.settings().socket())
        } else {
            Address::Tcp(local(self.node.config.file.mariadb.port))
        })
    }

    fn proving(&self, _route: &Route, node: &str) -> Option<Address> {
        let is_own = node == self.node.config.name.as_str() && self.node.server.is_some();
        is_own.then(|| Address::Tcp(local(self.node.config.file.mariadb.port)))
    }

    async fn dial(&self, route: &Route, node: &str) -> io::Result<Sealed> {
        let target: NodeName = node.parse().map_err(io::Error::other)?;
        let unknown = || io::Error::other(format!("nothing is known of `{target}`"));
        let address = self.node.address_of(&target).ok_or_else(unknown)?;
        let header = SqlHeader {
            epoch: route.epoch,
            read: !is_primary(route, node),
        };
        let header = serde_json::to_value(header)?;
        let opened = self
            .node
            .endpoint
            .open(target.as_str(), address, SQL, header, LIMIT)
            .await;
        seal(opened.map_err(io::Error::other)?)
    }
}
