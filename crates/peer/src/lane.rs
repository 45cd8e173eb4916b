//! The pooled connections for calls to one service of one node. One call at a time on a connection,
//! until its answer has come, so that an answer never meets the wrong question. A call that is given up
//! goes on for a while without its caller: on a slow or lossy network a new connection, or an answer whose
//! packet had to be sent again, takes longer than a caller waits; given up with the call, no connection
//! would ever be made.
//!
//! Request: limit in milliseconds (four bytes) and the body. Answer: a status byte and the body.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::{Semaphore, oneshot};

use crate::frame::{self, MAX_FRAME, Opening, Purpose};
use crate::{Endpoint, Error, Result, Stream};

/// Room for what precedes the body in a frame.
pub(crate) const CALL_OVERHEAD: usize = 4;
pub(crate) const DONE: u8 = 0;
pub(crate) const REFUSED: u8 = 1;
/// Idle connections kept; more were needed at once but are not worth keeping.
const KEPT: usize = 2;
/// How long a call goes on after its caller gave it up: several round trips and a retransmission.
const LINGER: Duration = Duration::from_secs(3);

#[derive(Debug)]
pub(crate) struct Lane {
    node: String,
    addr: SocketAddr,
    service: String,
    idle: Mutex<Vec<Stream>>,
    permits: Arc<Semaphore>,
}

impl Lane {
    pub(crate) fn new(node: &str, addr: SocketAddr, service: &str, at_once: usize) -> Self {
        Self {
            node: node.to_owned(),
            addr,
            service: service.to_owned(),
            idle: Mutex::default(),
            permits: Arc::new(Semaphore::new(at_once.max(1))),
        }
    }

    /// Asks and waits for the answer. Dropping this gives the call up: a request that is not on its way
    /// yet is never sent, but the connection is made and the answer awaited for a while.
    pub(crate) async fn call(
        self: Arc<Self>,
        endpoint: &Endpoint,
        request: Vec<u8>,
        limit: Duration,
    ) -> Result<Vec<u8>> {
        let removed = || Error::Removed(self.node.clone());
        let permit = Arc::clone(&self.permits).acquire_owned().await;
        let permit = permit.map_err(|_| removed())?;
        let (tell, told) = oneshot::channel();
        // Ends with this future: that is how the task learns that the call was given up.
        let (_waiting, given_up) = oneshot::channel::<()>();
        let (lane, endpoint) = (Arc::clone(&self), endpoint.clone());
        tokio::spawn(async move {
            let _permit = permit;
            let too_late = async {
                let _ = given_up.await;
                tokio::time::sleep(LINGER).await;
            };
            let answer = tokio::select! {
                answer = lane.work(&endpoint, &request, limit, &tell) => answer,
                () = too_late => return,
            };
            let _ = tell.send(answer);
        });
        let answer = told.await.map_err(|_| removed())??;
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

    /// Connects if need be, and asks if somebody still waits for the answer.
    async fn work(
        &self,
        endpoint: &Endpoint,
        request: &[u8],
        limit: Duration,
        caller: &oneshot::Sender<Result<Vec<u8>>>,
    ) -> Result<Vec<u8>> {
        let mut stream = match self.take() {
            Some(stream) => stream,
            None => self.connect(endpoint, limit.max(LINGER)).await?,
        };
        let answer = if caller.is_closed() {
            Ok(Vec::new())
        } else {
            exchange(&mut stream, request, limit).await
        };
        if answer.is_ok() {
            self.keep(stream);
        }
        answer
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
