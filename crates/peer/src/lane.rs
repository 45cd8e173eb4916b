//! The pooled connections for calls to one service of one node. One call at a time on a connection:
//! a connection whose call was given up is dropped, so an answer never meets the wrong question.
//!
//! Request: limit in milliseconds (four bytes) and the body. Answer: a status byte and the body.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Semaphore;

use crate::frame::{self, MAX_FRAME, Opening, Purpose};
use crate::{Endpoint, Error, Result, Stream};

/// Room for what precedes the body in a frame.
pub(crate) const CALL_OVERHEAD: usize = 4;
pub(crate) const DONE: u8 = 0;
pub(crate) const REFUSED: u8 = 1;
/// Idle connections kept; more were needed at once but are not worth keeping.
const KEPT: usize = 2;

#[derive(Debug)]
pub(crate) struct Lane {
    node: String,
    addr: SocketAddr,
    service: String,
    idle: Mutex<Vec<Stream>>,
    permits: Semaphore,
}

impl Lane {
    pub(crate) fn new(node: &str, addr: SocketAddr, service: &str, at_once: usize) -> Self {
        Self {
            node: node.to_owned(),
            addr,
            service: service.to_owned(),
            idle: Mutex::default(),
            permits: Semaphore::new(at_once.max(1)),
        }
    }

    pub(crate) async fn call(
        &self,
        endpoint: &Endpoint,
        request: &[u8],
        limit: Duration,
    ) -> Result<Vec<u8>> {
        let _permit = self
            .permits
            .acquire()
            .await
            .map_err(|_| Error::Removed(self.node.clone()))?;
        let mut stream = match self.take() {
            Some(stream) => stream,
            None => self.connect(endpoint, limit).await?,
        };
        let answer = exchange(&mut stream, request, limit).await?;
        self.keep(stream);
        match answer.split_first() {
            Some((&DONE, _)) => Ok(without_first(answer)),
            Some((&REFUSED, reason)) => Err(Error::Refused {
                peer: self.node.clone(),
                reason: String::from_utf8_lossy(reason).into_owned(),
            }),
            _ => {
                let reason = "an answer without a status".to_owned();
                Err(Error::Protocol {
                    peer: self.node.clone(),
                    reason,
                })
            }
        }
    }

    async fn connect(&self, endpoint: &Endpoint, limit: Duration) -> Result<Stream> {
        let opening = Opening::new(Purpose::Call, &self.service, Value::Null);
        endpoint
            .connect(&self.node, self.addr, &opening, limit)
            .await
    }

    /// An idle connection that the other side has not ended.
    fn take(&self) -> Option<Stream> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(stream) = idle.pop() {
            if stream.socket().is_quiet() {
                return Some(stream);
            }
        }
        None
    }

    fn keep(&self, stream: Stream) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < KEPT {
            idle.push(stream);
        }
    }
}

async fn exchange(stream: &mut Stream, request: &[u8], limit: Duration) -> Result<Vec<u8>> {
    let limit_ms = u32::try_from(limit.as_millis())
        .unwrap_or(u32::MAX)
        .to_be_bytes();
    let peer = stream.peer().to_owned();
    let lost = |failure: frame::Failure| failure.with(&peer);
    let room = MAX_FRAME + CALL_OVERHEAD;
    frame::write(stream, &[&limit_ms, request], room)
        .await
        .map_err(lost)?;
    let answer = frame::read(stream, room).await.map_err(lost)?;
    let ended = || std::io::Error::from(std::io::ErrorKind::UnexpectedEof);
    answer.ok_or_else(|| Error::Lost {
        peer: peer.clone(),
        source: ended(),
    })
}

fn without_first(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes.remove(0);
    bytes
}
