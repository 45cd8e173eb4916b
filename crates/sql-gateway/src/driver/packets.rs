//! Whole packets, for logins only: one at a time, small, in order.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ServerConfig;
use wire::announced;
use wire::packet::{HEADER, Header, packet};

use super::scratch;
use crate::reactor::Socket;

/// The greatest packet of a login.
const MAX_LOGIN_PACKET: usize = 64 * 1024;

/// A stream during a login.
pub(crate) struct Packets<'a> {
    stream: &'a mut Socket,
    /// Bytes that came and were not asked for yet.
    kept: Vec<u8>,
    /// The sequence number of the next packet.
    pub(crate) sequence: u8,
}

impl<'a> Packets<'a> {
    pub(crate) fn new(stream: &'a mut Socket, sequence: u8) -> Self {
        Self {
            stream,
            kept: Vec::new(),
            sequence,
        }
    }

    /// The same, when these bytes were read already.
    pub(crate) fn after(stream: &'a mut Socket, sequence: u8, kept: Vec<u8>) -> Self {
        Self {
            stream,
            kept,
            sequence,
        }
    }

    /// The next packet's payload.
    pub(crate) async fn read(&mut self) -> io::Result<Vec<u8>> {
        self.fill(HEADER).await?;
        let header = Header::read(&self.kept).ok_or(io::ErrorKind::InvalidData)?;
        if header.length > MAX_LOGIN_PACKET {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let end = HEADER + header.length;
        self.fill(end).await?;
        let payload = self.kept[HEADER..end].to_vec();
        self.kept.drain(..end);
        // Why: a server that turns a host away numbers its error as if nothing had been said (10.11.19, 1130).
        if header.sequence != self.sequence && payload.first() != Some(&0xff) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.sequence = header.sequence.wrapping_add(1);
        Ok(payload)
    }

    /// Sends a payload.
    pub(crate) async fn write(&mut self, payload: &[u8]) -> io::Result<()> {
        self.stream
            .write_all(&packet(self.sequence, payload))
            .await?;
        self.sequence = self.sequence.wrapping_add(1);
        Ok(())
    }

    /// Sends packets that are numbered already.
    pub(crate) async fn send(&mut self, packets: &[u8]) -> io::Result<()> {
        self.stream.write_all(packets).await
    }

    /// True when more was read than was asked for.
    pub(crate) fn has_more(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Whom a load balancer announces; `None` when it is no announcement.
    pub(crate) async fn announcement(&mut self) -> io::Result<Option<Option<SocketAddr>>> {
        loop {
            match announced::read(&self.kept) {
                Ok(Some(announced)) => {
                    self.kept.drain(..announced.length);
                    return Ok(Some(announced.client));
                }
                Ok(None) => self.fill(self.kept.len() + 1).await?,
                Err(_) => return Ok(None),
            }
        }
    }

    /// Encrypts the stream; what was read already belongs to that.
    pub(crate) async fn encrypt(&mut self, config: Arc<ServerConfig>) -> io::Result<()> {
        let first = std::mem::take(&mut self.kept);
        self.stream.encrypt(config, &first).await
    }

    /// What was read and does not belong to the login.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        // Why: most often nothing, and that is kept for as long as the client.
        self.kept.shrink_to_fit();
        std::mem::take(&mut self.kept)
    }

    /// Reads until this many bytes are there.
    async fn fill(&mut self, length: usize) -> io::Result<()> {
        while self.kept.len() < length {
            let kept = &mut self.kept;
            let read = poll_fn(|_| {
                scratch::poll_read(self.stream, |chunk| {
                    kept.extend_from_slice(chunk);
                    chunk.len()
                })
            });
            if read.await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        Ok(())
    }
}
