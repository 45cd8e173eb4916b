//! This node's end of the network: calls and streams to other nodes, and the listener for theirs.
//! Cheap to clone; all clones share connections and the set of refused nodes.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ServerConfig};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::frame::{self, Answer, Failure, MAX_OPENING, Opening, Purpose};
use crate::lane::Lane;
use crate::registry::Registry;
use crate::socket::{PATIENT, PROMPT, Socket};
use crate::{
    Error, Handler, Identity, JoinDesk, Listener, Result, Stream, listener, name, session, tls,
};

/// Limits; the defaults suit a cluster of a few nodes.
#[derive(Debug, Clone)]
pub struct Config {
    /// A connection must have shown its certificate and its purpose within this time.
    pub handshake_limit: Duration,
    /// Connections that have not yet shown who they are; beyond it the oldest are ended.
    pub unauthenticated_max: usize,
    /// Connections from one node.
    pub connections_per_node: usize,
    /// Calls at the same time to one node and service; more wait within their deadline.
    pub calls_at_once: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            handshake_limit: Duration::from_secs(5),
            unauthenticated_max: 128,
            connections_per_node: 1024,
            calls_at_once: 16,
        }
    }
}

/// The network as this node sees it.
#[derive(Clone)]
pub struct Endpoint(pub(crate) Arc<Inner>);

pub(crate) struct Inner {
    pub(crate) identity: Arc<Identity>,
    pub(crate) config: Config,
    pub(crate) registry: Arc<Registry>,
    pub(crate) server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    lanes: Mutex<HashMap<LaneKey, Arc<Lane>>>,
    desk: Mutex<Option<Arc<JoinDesk>>>,
}

type LaneKey = (String, SocketAddr, String);

impl Endpoint {
    /// An endpoint with this identity; opens nothing yet.
    pub fn new(identity: Arc<Identity>, config: Config) -> Result<Self> {
        let (server, client) = (tls::server(&identity)?, tls::client(&identity)?);
        Ok(Self(Arc::new(Inner {
            identity,
            config,
            registry: Arc::default(),
            server,
            client,
            lanes: Mutex::default(),
            desk: Mutex::default(),
        })))
    }

    /// This node's identity.
    pub fn identity(&self) -> &Arc<Identity> {
        &self.0.identity
    }

    /// Opens the peer port. Everything served on it ends when the listener is dropped.
    pub async fn listen(&self, addr: SocketAddr, handler: Arc<dyn Handler>) -> Result<Listener> {
        listener::open(self.clone(), addr, handler).await
    }

    /// Whether and with what this node lets others join; `None` (at first): it does not.
    pub fn set_join_desk(&self, desk: Option<JoinDesk>) {
        *self.0.desk.lock().unwrap_or_else(PoisonError::into_inner) = desk.map(Arc::new);
    }

    pub(crate) fn join_desk(&self) -> Option<Arc<JoinDesk>> {
        self.0
            .desk
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The nodes whose certificates are refused, both ways; connections they have are cut at once.
    pub fn set_refused(&self, nodes: BTreeSet<String>) {
        let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|(node, _, _), _| !nodes.contains(node));
        drop(lanes);
        self.0.registry.refuse(nodes);
    }

    /// Asks a service of a node and waits for the answer, at most `limit`. Connections are kept and
    /// made again by themselves. After [`Error::Timeout`] or [`Error::Lost`] the request may or may not
    /// have been carried out: it is never sent twice.
    pub async fn call(
        &self,
        node: &str,
        addr: SocketAddr,
        service: &str,
        request: Vec<u8>,
        limit: Duration,
    ) -> Result<Vec<u8>> {
        if request.len() > frame::MAX_FRAME {
            return Err(Error::TooLarge {
                size: request.len(),
                limit: frame::MAX_FRAME,
            });
        }
        self.check_not_refused(node)?;
        let lane = self.lane(node, addr, service);
        within(node, limit, lane.call(self, request, limit)).await
    }

    /// Opens a byte stream to a service of a node; a refusal comes as [`Error::Refused`].
    pub async fn open(
        &self,
        node: &str,
        addr: SocketAddr,
        service: &str,
        header: Value,
        limit: Duration,
    ) -> Result<Stream> {
        let opening = Opening::new(Purpose::Stream, service, header);
        let stream = within(node, limit, self.connect(node, addr, &opening, limit)).await?;
        stream
            .socket()
            .limit_unacknowledged(PATIENT)
            .map_err(|source| session::lost(node, source))?;
        Ok(stream)
    }

    fn check_not_refused(&self, node: &str) -> Result<()> {
        if self.0.registry.is_refused(node) {
            return Err(Error::Removed(node.to_owned()));
        }
        Ok(())
    }

    fn lane(&self, node: &str, addr: SocketAddr, service: &str) -> Arc<Lane> {
        let mut lanes = self.0.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (node.to_owned(), addr, service.to_owned());
        let at_once = self.0.config.calls_at_once;
        let new = || Arc::new(Lane::new(node, addr, service, at_once));
        Arc::clone(lanes.entry(key).or_insert_with(new))
    }

    /// A new connection, opened for a purpose that the other side accepted.
    pub(crate) async fn connect(
        &self,
        node: &str,
        addr: SocketAddr,
        opening: &Opening,
        limit: Duration,
    ) -> Result<Stream> {
        self.check_not_refused(node)?;
        name::check_node_name(node)?;
        let socket = Socket::connect(addr, limit)
            .await
            .map_err(|source| Error::Connect { addr, source })?;
        socket
            .limit_unacknowledged(PROMPT)
            .map_err(|source| session::lost(node, source))?;
        let entered = self.0.registry.enter(node, socket.severer(), usize::MAX);
        let place = entered.map_err(|_| Error::Removed(node.to_owned()))?;
        let server_name = name::dns_name(node, self.0.identity.cluster_id());
        let server_name =
            ServerName::try_from(server_name).map_err(|_| Error::NodeName(node.to_owned()))?;
        let tls = TlsConnector::from(Arc::clone(&self.0.client))
            .connect(server_name, socket)
            .await
            .map_err(|error| session::refused_server(node, addr, error))?;
        let mut stream = Stream::new(tls.into(), node.to_owned(), place);
        ask(&mut stream, opening).await?;
        Ok(stream)
    }
}

/// Sends the opening and waits until it is accepted.
async fn ask(stream: &mut Stream, opening: &Opening) -> Result<()> {
    let peer = stream.peer().to_owned();
    match converse(stream, opening, MAX_OPENING).await {
        Ok(Answer::Accepted) => Ok(()),
        Ok(Answer::Refused(reason)) => Err(Error::Refused { peer, reason }),
        Err(failure) => Err(failure.with(&peer)),
    }
}

/// Writes the opening and reads the reply.
pub(crate) async fn converse<S, T>(
    stream: &mut S,
    opening: &Opening,
    limit: usize,
) -> Result<T, Failure>
where
    S: AsyncRead + AsyncWrite + Unpin,
    T: DeserializeOwned,
{
    match frame::write_json(stream, opening, MAX_OPENING).await {
        // Why: a server that refuses us closes its side; the reason may still be there to be read.
        Ok(()) | Err(Failure::Io(_)) => frame::read_json(stream, limit).await,
        Err(failure) => Err(failure),
    }
}

async fn within<T>(
    peer: &str,
    limit: Duration,
    work: impl Future<Output = Result<T>>,
) -> Result<T> {
    let limit_ms = limit.as_millis() as u64;
    let late = |_| Error::Timeout {
        peer: peer.to_owned(),
        limit_ms,
    };
    timeout(limit, work).await.map_err(late)?
}
