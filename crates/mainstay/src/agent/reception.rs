//! What arrives on the peer port goes to the service it is for.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cluster::{Epoch, NodeName};
use peer::{Handler, Incoming, JoinOffer, Refusal};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::dial::seal;
use super::guide::Guide;
use super::node::{Node, local};
use super::{admit, outcomes, replica, transport};

/// Under this name statements of other nodes' gateways arrive.
pub(super) const SQL: &str = "sql";
/// The local server accepts a connection in this time or is not there.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// What a gateway says when it opens a connection to the primary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SqlHeader {
    /// In which epoch it takes this node for the primary, or for a replica.
    pub(super) epoch: u64,
    /// For a replica.
    #[serde(default)]
    pub(super) read: bool,
}

/// Serves the other nodes.
pub(super) struct Reception {
    node: Arc<Node>,
}

impl Reception {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    fn keeper(&self) -> Result<keeper::Handle, Refusal> {
        self.node
            .keeper
            .get()
            .ok_or_else(|| Refusal("the keeper is starting".to_owned()))
    }

    /// A gateway's connection, to this node's server, for as long as this node is the primary of the
    /// epoch it was opened in, or follows it, and hears the gateway's node.
    async fn sql(&self, incoming: Incoming) {
        let header: Result<SqlHeader, _> = serde_json::from_value(incoming.header.clone());
        let Ok(SqlHeader { epoch, read }) = header else {
            incoming.refuse("the header names no epoch").await;
            return;
        };
        let serves = if read {
            let picture = self.node.picture();
            picture.is_some_and(|picture| replica::serves(&picture.view, epoch))
        } else {
            self.node.serves(epoch)
        };
        if self.node.server.is_none() || !serves {
            let what = if read { "a replica" } else { "the primary" };
            incoming
                .refuse(format!("this node is not {what} of epoch {epoch}"))
                .await;
            return;
        }
        let carrying = Carrying::start(&self.node.carried);
        // Why a task of its own: it goes on when the peer port is another process' already.
        tokio::spawn(carry(
            Arc::clone(&self.node),
            incoming,
            (epoch, read),
            carrying,
        ));
    }

    async fn clone_data(&self, incoming: Incoming) {
        let (keeper, server) = (self.node.keeper.get(), self.node.server.as_ref());
        match (keeper, server) {
            (Some(keeper), Some(server)) => keeper.serve_clone(server, incoming).await,
            _ => incoming.refuse("this node has no data to give").await,
        }
    }
}

/// Carries a gateway's connection to this node's server and back.
async fn carry(
    node: Arc<Node>,
    incoming: Incoming,
    (epoch, read): (Epoch, bool),
    carrying: Carrying,
) {
    let from = incoming.from.parse().ok();
    let mut guides = node.guide.subscribe();
    let is_over = guides.wait_for(|guide| {
        is_over(guide, epoch, from.as_ref()) || (read && guide.reads != Some(epoch))
    });
    tokio::select! {
        carried = to_server(&node, incoming) => {
            if let Err(error) = carried {
                tracing::debug!(%error, "a gateway's connection ended");
            }
        }
        _ = is_over => tracing::debug!("a gateway's connection was ended"),
    }
    drop(carrying);
}

/// Refused when the server does not accept a connection.
async fn to_server(node: &Node, incoming: Incoming) -> io::Result<()> {
    let carrier = node.carrier.as_ref().ok_or(io::ErrorKind::NotConnected)?;
    let server = TcpStream::connect(local(node.config.file.mariadb.port));
    let server = match timeout(CONNECT_LIMIT, server).await {
        Ok(Ok(server)) => server,
        Ok(Err(error)) => return refuse(incoming, error).await,
        Err(_) => return refuse(incoming, io::ErrorKind::TimedOut.into()).await,
    };
    server.set_nodelay(true)?;
    let stream = incoming.accept().await.map_err(io::Error::other)?;
    let server = server.into_std()?;
    carrier.carry(seal(stream)?, server.into()).await
}

async fn refuse(incoming: Incoming, why: io::Error) -> io::Result<()> {
    let reason = format!("the server does not accept connections: {why}");
    incoming.refuse(reason).await;
    Err(why)
}

/// One more while this lives.
struct Carrying(Arc<AtomicUsize>);

impl Carrying {
    fn start(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Carrying {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A connection that `from` opened in this epoch is served no longer. Of an older epoch: never, however it hangs
/// on. Of a node that is silent for the suspicion time: its open transactions hold locks on which everybody
/// else waits, for as long as the network takes to give the connection up.
fn is_over(guide: &Guide, epoch: Epoch, from: Option<&NodeName>) -> bool {
    guide.epoch > epoch || from.is_some_and(|from| guide.silent.contains(from))
}

#[async_trait]
impl Handler for Reception {
    async fn call(&self, from: &str, service: &str, request: Vec<u8>) -> Result<Vec<u8>, Refusal> {
        let name: NodeName = from
            .parse()
            .map_err(|_| Refusal("no node has this name".to_owned()))?;
        match service {
            transport::SERVICE => Ok(self.node.raft.handle(&request).await),
            keeper::SERVICE => Ok(self.keeper()?.call(&name, &request).await),
            outcomes::SERVICE => self.node.outcomes.serve(&self.node, &request).await,
            other => Err(Refusal(format!("there is no service `{other}` here"))),
        }
    }

    async fn stream(&self, incoming: Incoming) {
        match incoming.service.as_str() {
            peer::tunnel::SERVICE => self.node.admissions.take(incoming).await,
            SQL => self.sql(incoming).await,
            keeper::CLONE_SERVICE => self.clone_data(incoming).await,
            _ => {
                let told = format!("there is no service `{}` here", incoming.service);
                incoming.refuse(told).await;
            }
        }
    }

    async fn join(&self, offer: JoinOffer) -> Result<Value, Refusal> {
        admit::join(&self.node, &self.keeper()?, offer).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_when_its_epoch_is_past_or_its_node_is_silent_then_over() {
        let from: NodeName = "b".parse().unwrap();
        let mut guide = Guide {
            epoch: 4,
            ..Guide::default()
        };
        assert!(is_over(&guide, 3, Some(&from)));
        assert!(!is_over(&guide, 4, Some(&from)) && !is_over(&guide, 5, None));
        guide.silent.insert(from.clone());
        assert!(is_over(&guide, 4, Some(&from)) && !is_over(&guide, 4, None));
    }
}
