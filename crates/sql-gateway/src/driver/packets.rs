//! Whole packets, for logins only: one at a time, small, in order.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use wire::packet::{HEADER, Header, packet};

use crate::route::Stream;

/// The greatest packet of a login.
const MAX_LOGIN_PACKET: usize = 64 * 1024;

/// A stream during a login.
pub(crate) struct Packets<'a> {
    stream: &'a mut Box<dyn Stream>,
    /// The sequence number of the next packet.
    pub(crate) sequence: u8,
}

impl<'a> Packets<'a> {
    pub(crate) fn new(stream: &'a mut Box<dyn Stream>, sequence: u8) -> Self {
        Self { stream, sequence }
    }

    /// The next packet's payload.
    pub(crate) async fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut header = [0; HEADER];
        self.stream.read_exact(&mut header).await?;
        let header = Header::read(&header).ok_or(io::ErrorKind::InvalidData)?;
        if header.length > MAX_LOGIN_PACKET {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut payload = vec![0; header.length];
        self.stream.read_exact(&mut payload).await?;
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
        self.stream.flush().await
    }
}
