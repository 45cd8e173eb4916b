//! A byte stream between two nodes, inside TLS. Both ends know the other's name from its certificate.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsStream;

use crate::Detached;
use crate::registry::Place;
use crate::socket::{Severer, Socket};

/// An open stream; cut by [`crate::Endpoint::set_refused`] when its peer is removed.
#[derive(Debug)]
pub struct Stream {
    tls: Box<TlsStream<Socket>>,
    peer: String,
    place: Place,
}

impl Stream {
    pub(crate) fn new(tls: TlsStream<Socket>, peer: String, place: Place) -> Self {
        Self {
            tls: Box::new(tls),
            peer,
            place,
        }
    }

    /// The node at the other end, verified by its certificate.
    pub fn peer(&self) -> &str {
        &self.peer
    }

    /// Ends the stream at once with a reset: what was not delivered is lost, the other side gets an error.
    pub fn abort(self) {
        self.socket().sever();
    }

    /// Takes the stream out of the runtime, for a loop of another kind. An error when it was cut meanwhile.
    pub fn detach(self) -> io::Result<Detached> {
        let Self { tls, place, .. } = self;
        let (socket, connection) = match *tls {
            TlsStream::Client(tls) => {
                let (socket, connection) = tls.into_inner();
                (socket, connection.into())
            }
            TlsStream::Server(tls) => {
                let (socket, connection) = tls.into_inner();
                (socket, connection.into())
            }
        };
        Detached::new(socket.into_fd()?, connection, place)
    }

    pub(crate) fn severer(&self) -> Severer {
        self.socket().severer()
    }

    pub(crate) fn socket(&self) -> &Socket {
        self.tls.get_ref().0
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.tls).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut *self.tls).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.tls).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut *self.tls).poll_shutdown(cx)
    }
}
