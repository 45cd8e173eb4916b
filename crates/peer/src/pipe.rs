//! Carries bytes between two streams, both ways, in one task with bounded buffers. Every chunk is
//! shown to a tap before it is written: the tap counts, or forbids it and so ends the pipe.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const BUFFER: usize = 16 * 1024;
/// Chunks in one direction before the other one gets its turn.
const TURN: usize = 8;

/// Sees each chunk before it is passed on.
pub(crate) trait Tap {
    /// An error ends the pipe; the chunk is not passed on.
    fn pass(&mut self, chunk: &[u8]) -> io::Result<()>;
}

/// Pipes until one side has ended and what it sent is delivered; the taps see a to b and b to a.
pub(crate) async fn pipe<A, B>(
    a: &mut A,
    b: &mut B,
    (forth, back): (&mut (dyn Tap + Send), &mut (dyn Tap + Send)),
) -> io::Result<()>
where
    A: AsyncRead + AsyncWrite + Unpin,
    B: AsyncRead + AsyncWrite + Unpin,
{
    let (mut there, mut here) = (Direction::new(), Direction::new());
    poll_fn(|cx| {
        let one = there.poll(cx, a, b, forth)?;
        let two = here.poll(cx, b, a, back)?;
        if one.is_ready() || two.is_ready() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    })
    .await
}

struct Direction {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    unflushed: bool,
    source_ended: bool,
}

impl Direction {
    fn new() -> Self {
        let buffer = vec![0; BUFFER];
        Self {
            buffer,
            start: 0,
            end: 0,
            unflushed: false,
            source_ended: false,
        }
    }

    fn poll<R, W>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        to: &mut W,
        tap: &mut dyn Tap,
    ) -> Poll<io::Result<()>>
    where
        R: AsyncRead + Unpin,
        W: AsyncWrite + Unpin,
    {
        for _ in 0..TURN {
            if self.start == self.end
                && !self.source_ended
                && self.fill(cx, from, tap)?.is_pending()
            {
                if self.unflushed {
                    ready!(Pin::new(&mut *to).poll_flush(cx))?;
                    self.unflushed = false;
                }
                return Poll::Pending;
            }
            while self.start < self.end {
                let chunk = &self.buffer[self.start..self.end];
                let written = ready!(Pin::new(&mut *to).poll_write(cx, chunk))?;
                if written == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                self.start += written;
                self.unflushed = true;
            }
            if self.source_ended {
                return Pin::new(&mut *to).poll_shutdown(cx);
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn fill<R: AsyncRead + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut R,
        tap: &mut dyn Tap,
    ) -> Poll<io::Result<()>> {
        let mut buf = ReadBuf::new(&mut self.buffer);
        ready!(Pin::new(from).poll_read(cx, &mut buf))?;
        (self.start, self.end) = (0, buf.filled().len());
        if self.end == 0 {
            self.source_ended = true;
        } else {
            tap.pass(&self.buffer[..self.end])?;
        }
        Poll::Ready(Ok(()))
    }
}
