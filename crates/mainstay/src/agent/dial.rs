//! How this node's gateway reaches the primary: its own server directly, another node's through that
//! node's agent, which lets it through only in the epoch it names.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cluster::NodeName;
use sql_gateway::{Address, Dial, Route, Stream};

use super::node::{Node, local};
use super::reception::{SQL, SqlHeader};

/// The gateway bounds the time as well; this ends what it has given up.
const LIMIT: Duration = Duration::from_secs(5);

/// Dials the primary.
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
    fn direct(&self, route: &Route) -> Option<Address> {
        let here = route.target.as_ref()?.node == self.node.config.name.as_str();
        here.then(|| Address::Tcp(local(self.node.config.file.mariadb.port)))
    }

    async fn dial(&self, route: &Route) -> io::Result<Box<dyn Stream>> {
        let none = || io::Error::other("there is no primary");
        let target: NodeName = route
            .target
            .as_ref()
            .ok_or_else(none)?
            .node
            .parse()
            .map_err(io::Error::other)?;
        let unknown = || io::Error::other(format!("nothing is known of `{target}`"));
        let address = self.node.address_of(&target).ok_or_else(unknown)?;
        let header = serde_json::to_value(SqlHeader { epoch: route.epoch })?;
        let opened = self
            .node
            .endpoint
            .open(target.as_str(), address, SQL, header, LIMIT)
            .await;
        Ok(Box::new(opened.map_err(io::Error::other)?))
    }
}
