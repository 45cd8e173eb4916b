//! Bytes for one side: written at once when the stream takes them, kept when it does not. While something is
//! kept, the other side is not read, so this stays small.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncWrite;

use crate::route::Stream;

/// Bytes that wait for one side.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    at: usize,
    unflushed: bool,
    broken: bool,
}

impl Outbox {
    /// True when nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.unflushed
    }

    /// True when the stream took no more; what was written before may have arrived.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Forgets everything; the other side has changed.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Writes bytes now, as far as the stream takes them, and keeps the rest. Says how many left at once.
    pub(crate) fn send(
        &mut self,
        stream: &mut Box<dyn Stream>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> usize {
        let mut sent = 0;
        if self.bytes.is_empty() && !self.broken {
            while sent < bytes.len() {
                match Pin::new(&mut *stream).poll_write(cx, &bytes[sent..]) {
                    Poll::Ready(Ok(0) | Err(_)) => {
                        self.broken = true;
                        break;
                    }
                    Poll::Ready(Ok(n)) => sent += n,
                    Poll::Pending => break,
                }
            }
            // Why: a TLS stream may keep what it took until it is flushed.
            self.unflushed = Pin::new(stream).poll_flush(cx).is_pending();
        }
        if !self.broken {
            self.bytes.extend_from_slice(&bytes[sent..]);
        }
        sent
    }

    /// Writes what waits. After a failure everything is dropped: what the other side still has to say can be read.
    pub(crate) fn poll_flush(
        &mut self,
        stream: &mut Box<dyn Stream>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while self.at < self.bytes.len() && !self.broken {
            match Pin::new(&mut *stream).poll_write(cx, &self.bytes[self.at..]) {
                Poll::Ready(Ok(0) | Err(_)) => self.broken = true,
                Poll::Ready(Ok(n)) => self.at += n,
                Poll::Pending => return Poll::Pending,
            }
        }
        self.bytes = Vec::new();
        self.at = 0;
        self.unflushed = false;
        if self.broken {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let flushed = Pin::new(stream).poll_flush(cx);
        self.unflushed = flushed.is_pending();
        flushed
    }
}
