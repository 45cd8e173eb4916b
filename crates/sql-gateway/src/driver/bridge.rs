//! A stream that lives in the agent's runtime (the peers' TLS) for a loop that knows sockets only: one end of a pair of
//! sockets here, a task there that moves bytes between the other end and the stream. When either ends, so does the other.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

use crate::reactor::Socket;
use crate::route::{Route, Stream};
use crate::service::Shared;

const SIZE: usize = 32 * 1024;

thread_local! {
    /// What is read is written at once or copied: an idle bridge holds no buffer.
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; SIZE].into_boxed_slice());
}

/// The task of a bridge: ends at once, with its stream, when this is dropped.
pub(super) type Bridge = Ends<()>;

/// Dials through the agent's runtime.
pub(super) async fn bridge(
    shared: &Shared,
    route: &Arc<Route>,
    node: &str,
) -> io::Result<(Socket, Bridge)> {
    let (dial, route, node) = (Arc::clone(&shared.dial), Arc::clone(route), node.to_owned());
    let mut dialling = Ends(shared.runtime.spawn(async move {
        let stream = dial.dial(&route, &node).await?;
        let (here, there) = std::os::unix::net::UnixStream::pair()?;
        for end in [&here, &there] {
            end.set_nonblocking(true)?;
        }
        let there = UnixStream::from_std(there)?;
        io::Result::Ok((here, Ends(tokio::spawn(carry(there, stream)))))
    }));
    let (here, bridge) = (&mut dialling.0).await.map_err(io::Error::other)??;
    Ok((Socket::new(here)?, bridge))
}

/// A task that is not wanted when nobody waits for it.
pub(super) struct Ends<T>(JoinHandle<T>);

impl<T> Drop for Ends<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Moves bytes both ways until one way has ended.
async fn carry(mut near: UnixStream, mut far: Box<dyn Stream>) {
    let (mut out, mut back) = (Way::default(), Way::default());
    // Both are closed as soon as this returns.
    let _ = poll_fn(|cx| {
        if let Poll::Ready(ended) = out.poll(cx, &mut near, &mut far) {
            return Poll::Ready(ended);
        }
        back.poll(cx, &mut far, &mut near)
    })
    .await;
}

/// One direction.
#[derive(Default)]
struct Way {
    kept: Vec<u8>,
    at: usize,
    unflushed: bool,
}

impl Way {
    /// Ready when there is nothing more to come, and all of it is written.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut (impl AsyncRead + Unpin),
        to: &mut (impl AsyncWrite + Unpin),
    ) -> Poll<io::Result<()>> {
        loop {
            while self.at < self.kept.len() {
                self.at += ready!(Pin::new(&mut *to).poll_write(cx, &self.kept[self.at..]))?;
            }
            (self.kept, self.at) = (Vec::new(), 0);
            let read = BUFFER.with_borrow_mut(|buffer| {
                let mut read = ReadBuf::new(buffer);
                ready!(Pin::new(&mut *from).poll_read(cx, &mut read))?;
                let mut bytes = read.filled();
                if bytes.is_empty() {
                    return Poll::Ready(Ok(true));
                }
                self.unflushed = true;
                if let Poll::Ready(written) = Pin::new(&mut *to).poll_write(cx, bytes) {
                    bytes = &bytes[written?..];
                }
                self.kept.extend_from_slice(bytes);
                Poll::Ready(io::Result::Ok(false))
            });
            match read? {
                Poll::Ready(false) => {}
                Poll::Ready(true) => return Pin::new(to).poll_flush(cx),
                Poll::Pending => {
                    if self.unflushed {
                        ready!(Pin::new(&mut *to).poll_flush(cx))?;
                        self.unflushed = false;
                    }
                    return Poll::Pending;
                }
            }
        }
    }
}
