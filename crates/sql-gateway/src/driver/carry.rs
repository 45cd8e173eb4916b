//! Another node's connection to this node's server: bytes from one stream to the other, both ways, until both have ended.
//! A chunk goes on at once; what the other side does not take is kept, and nothing more is read until it has left.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};

use tokio::sync::oneshot;

use super::scratch;
use crate::reactor::Socket;
use crate::route::Sealed;

/// Chunks in one direction before everybody else has a turn.
const TURN: usize = 8;

/// Carries until both sides have ended, one of them is lost, or `wanted` is given up: then both end with a reset, so that
/// each learns of it whatever is still on its way.
pub(crate) async fn carry(
    far: Sealed,
    server: OwnedFd,
    wanted: oneshot::Receiver<Infallible>,
) -> io::Result<()> {
    let mut far = Socket::sealed(far)?;
    let mut server = Socket::new(server)?;
    let (mut forth, mut back) = (Way::default(), Way::default());
    let both = poll_fn(|cx| {
        let forth = forth.poll(cx, &mut far, &mut server)?;
        let back = back.poll(cx, &mut server, &mut far)?;
        if forth.is_ready() && back.is_ready() {
            return Poll::Ready(Ok(()));
        }
        Poll::Pending
    });
    let outcome = tokio::select! {
        biased;
        _ = wanted => Err(io::ErrorKind::Interrupted.into()),
        outcome = both => outcome,
    };
    if outcome.is_err() {
        far.sever();
        server.sever();
    }
    outcome
}

/// One direction.
#[derive(Default)]
struct Way {
    /// What was read and not taken; nothing is held while nothing waits.
    rest: Vec<u8>,
    taken: usize,
    has_ended: bool,
    is_over: bool,
}

impl Way {
    /// Ready: nothing more will come, and all that came has been passed on.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut Socket,
        to: &mut Socket,
    ) -> Poll<io::Result<()>> {
        if self.is_over {
            return Poll::Ready(Ok(()));
        }
        for _ in 0..TURN {
            ready!(self.poll_rest(to))?;
            if self.has_ended {
                ready!(to.poll_finish())?;
                self.is_over = true;
                return Poll::Ready(Ok(()));
            }
            ready!(scratch::poll_read(from, |bytes| self.pass(bytes, to)))??;
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn pass(&mut self, mut bytes: &[u8], to: &mut Socket) -> io::Result<()> {
        self.has_ended = bytes.is_empty();
        while !bytes.is_empty() {
            match to.poll_write(bytes) {
                Poll::Ready(written) => bytes = &bytes[some(written?)?..],
                Poll::Pending => {
                    self.rest = bytes.to_vec();
                    break;
                }
            }
        }
        Ok(())
    }

    fn poll_rest(&mut self, to: &mut Socket) -> Poll<io::Result<()>> {
        while self.taken < self.rest.len() {
            self.taken += some(ready!(to.poll_write(&self.rest[self.taken..]))?)?;
        }
        if self.taken > 0 {
            self.rest = Vec::new();
            self.taken = 0;
        }
        Poll::Ready(Ok(()))
    }
}

fn some(written: usize) -> io::Result<usize> {
    if written == 0 {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(written)
}
