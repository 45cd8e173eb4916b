//! Bytes for one side: written at once when the socket takes them, kept when it does not. While something is
//! kept, the other side is not read, so this stays small.

use std::io;
use std::task::Poll;

use crate::reactor::Socket;

/// Bytes that wait for one side.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    at: usize,
    broken: bool,
}

impl Outbox {
    /// True when nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// True when the socket took no more; what was written before may have arrived.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Forgets everything; the other side has changed.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes bytes now, as far as the socket takes them, and keeps the rest. Says how many left at once.
    #[inline]
    pub(crate) fn send(&mut self, socket: &mut Socket, bytes: &[u8]) -> usize {
        let mut sent = 0;
        if self.bytes.is_empty() && !self.broken && !bytes.is_empty() {
            match socket.poll_write(bytes) {
                Poll::Ready(Ok(n)) if n == bytes.len() => return n,
                Poll::Ready(Ok(n)) if n > 0 => sent = n,
                Poll::Ready(_) => self.broken = true,
                Poll::Pending => {}
            }
        }
        self.send_on(socket, bytes, sent)
    }

    /// The rest of what did not go at once.
    #[cold]
    fn send_on(&mut self, socket: &mut Socket, bytes: &[u8], mut sent: usize) -> usize {
        if self.bytes.is_empty() && !self.broken {
            while sent < bytes.len() {
                match socket.poll_write(&bytes[sent..]) {
                    Poll::Ready(Ok(0) | Err(_)) => {
                        self.broken = true;
                        break;
                    }
                    Poll::Ready(Ok(n)) => sent += n,
                    Poll::Pending => break,
                }
            }
        }
        if !self.broken {
            self.bytes.extend_from_slice(&bytes[sent..]);
        }
        sent
    }

    /// Writes what waits. After a failure everything is dropped: what the other side still has to say can be read.
    pub(crate) fn poll_flush(&mut self, socket: &mut Socket) -> Poll<io::Result<()>> {
        while self.at < self.bytes.len() && !self.broken {
            match socket.poll_write(&self.bytes[self.at..]) {
                Poll::Ready(Ok(0) | Err(_)) => self.broken = true,
                Poll::Ready(Ok(n)) => self.at += n,
                Poll::Pending => return Poll::Pending,
            }
        }
        self.bytes = Vec::new();
        self.at = 0;
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        Poll::Ready(Ok(()))
    }
}
