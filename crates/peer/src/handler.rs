//! What the program does with what arrives on the peer port: it implements [`Handler`].

use std::fmt;

use async_trait::async_trait;
use serde_json::Value;

use crate::frame::{self, Answer, MAX_OPENING};
use crate::{Kind, Result, Stream};

/// A refusal with its reason, one line for people; it reaches the other side as [`crate::Error::Refused`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal(pub String);

impl<T: Into<String>> From<T> for Refusal {
    fn from(reason: T) -> Self {
        Self(reason.into())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Serves other nodes. `from` is the node's name as its certificate proves it.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Answers a call. The future is dropped when the caller's deadline has passed; calls on different
    /// connections run at the same time.
    async fn call(&self, from: &str, service: &str, request: Vec<u8>) -> Result<Vec<u8>, Refusal>;

    /// Serves a byte stream for as long as this future runs; accept or refuse it first.
    async fn stream(&self, incoming: Incoming);

    /// Decides whether a node with a good token may join, and what it gets (secrets included). The
    /// certificate is issued after this returned `Ok`. Must give the same outcome when repeated for the
    /// same node: the answer may have been lost. One join at a time; not cancelled by a lost connection.
    async fn join(&self, offer: JoinOffer) -> Result<Value, Refusal>;
}

/// A node that shows a good token.
#[derive(Debug, Clone, PartialEq)]
pub struct JoinOffer {
    /// The name it wants.
    pub name: String,
    /// What its token allows it to be.
    pub kind: Kind,
    /// What it sent along.
    pub payload: Value,
    /// The address it connects from.
    pub from: std::net::SocketAddr,
    /// The same key was granted this join before: the answer was lost, or asked for twice.
    pub again: bool,
}

/// A stream that asks to be opened.
#[derive(Debug)]
pub struct Incoming {
    /// The node that asks, verified by its certificate.
    pub from: String,
    /// The service it asks for.
    pub service: String,
    /// What it sent along (at most 64 KiB of JSON, not otherwise checked).
    pub header: Value,
    pub(crate) stream: Stream,
}

impl Incoming {
    /// Opens the stream.
    pub async fn accept(mut self) -> Result<Stream> {
        let sent = frame::write_json(&mut self.stream, &Answer::Accepted, MAX_OPENING).await;
        sent.map_err(|failure| failure.with(&self.from))?;
        Ok(self.stream)
    }

    /// Refuses the stream; the reason reaches the opener.
    pub async fn refuse(mut self, reason: impl Into<String>) {
        crate::session::refuse(&mut self.stream, reason.into()).await;
    }
}
