//! Encryption as a layer of a socket: whoever reads and writes it sees a plain stream. What the socket would not take is
//! kept here, encrypted, and counts as not written until it has left: a slow reader is felt as on a plain stream.

use std::future::poll_fn;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::task::{Poll, ready};

use rustls::{Connection, ServerConfig, ServerConnection};

use super::socket::Socket;
use crate::route::{Leave, Sealed};

/// Reads of a client's records that may be in vain, one after the other, before it is taken for one that means harm.
const IN_VAIN: u32 = 256;

/// One encrypted connection, on our side.
pub(super) struct Layer {
    connection: Connection,
    /// Bytes of the writer that are encrypted and not wholly sent.
    owed: usize,
    /// What went wrong behind bytes that were to be read first.
    fault: Option<io::Error>,
    /// Until when it may be used, when somebody else may end it.
    leave: Option<Box<dyn Leave>>,
}

impl Layer {
    /// As [`Socket::poll_read`].
    pub(super) fn poll_read(
        &mut self,
        socket: &mut Socket,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        let mut filled = 0;
        for _ in 0..IN_VAIN {
            match self.connection.reader().read(&mut buffer[filled..]) {
                Ok(n) if n > 0 => {
                    filled += n;
                    if filled < buffer.len() {
                        continue;
                    }
                    socket.has_more();
                    return Poll::Ready(Ok(filled));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The end, announced or not.
                Ok(_) | Err(_) => {
                    socket.has_more();
                    return Poll::Ready(Ok(filled));
                }
            }
            let taken = self.fault.take().map_or_else(|| self.take(socket), Err);
            match taken {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if filled == 0 {
                        return Poll::Pending;
                    }
                    return Poll::Ready(Ok(filled));
                }
                Err(error) if filled > 0 => {
                    // Why kept: the socket, asked again, would say that nothing has come.
                    self.fault = Some(error);
                    socket.has_more();
                    return Poll::Ready(Ok(filled));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        if filled > 0 {
            socket.has_more();
            return Poll::Ready(Ok(filled));
        }
        Poll::Ready(Err(io::ErrorKind::InvalidData.into()))
    }

    /// As [`Socket::poll_write`]; after [`Poll::Pending`] the same bytes must come again, and perhaps more behind them.
    pub(super) fn poll_write(
        &mut self,
        socket: &mut Socket,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.check()?;
        if self.owed == 0 {
            ready!(self.poll_flush(socket))?;
            self.owed = self.connection.writer().write(bytes)?;
        }
        ready!(self.poll_flush(socket))?;
        Poll::Ready(Ok(std::mem::take(&mut self.owed)))
    }

    fn check(&self) -> io::Result<()> {
        match &self.leave {
            Some(leave) if leave.has_ended() => Err(io::ErrorKind::ConnectionAborted.into()),
            _ => Ok(()),
        }
    }

    /// Nothing was decrypted that nobody has read, and no end.
    pub(super) fn is_empty(&mut self) -> bool {
        let state = self.connection.process_new_packets();
        state.is_ok_and(|state| state.plaintext_bytes_to_read() == 0 && !state.peer_has_closed())
    }

    /// The handshake, until both sides have all of it.
    fn poll_handshake(&mut self, socket: &mut Socket) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_flush(socket))?;
            if !self.connection.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            match self.take(socket) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
                Ok(()) if self.connection.is_handshaking() && self.has_ended() => {
                    return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                }
                Ok(()) => {}
            }
        }
    }

    fn has_ended(&mut self) -> bool {
        let read = self.connection.reader().read(&mut []);
        read.is_err_and(|error| error.kind() == io::ErrorKind::UnexpectedEof)
    }

    /// Takes what has come, and answers what asks for an answer.
    fn take(&mut self, socket: &mut Socket) -> io::Result<()> {
        self.connection.read_tls(&mut Raw(socket))?;
        let understood = self.connection.process_new_packets();
        if self.connection.wants_write() {
            // What does not fit goes ahead of what is written next.
            let _ = self.poll_flush(socket);
        }
        understood.map(|_| ()).map_err(broken)
    }

    fn poll_flush(&mut self, socket: &mut Socket) -> Poll<io::Result<()>> {
        while self.connection.wants_write() {
            match self.connection.write_tls(&mut Raw(socket)) {
                Ok(0) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Tells the other side that nothing more comes, if it can be told at once. Bytes that were not taken before do not
    /// leave with that: whoever wrote them has done without.
    pub(super) fn say_farewell(&mut self, socket: &mut Socket) {
        if !self.connection.wants_write() && self.check().is_ok() {
            let _ = self.poll_farewell(socket);
        }
    }

    /// Tells it behind all that was written.
    pub(super) fn poll_farewell(&mut self, socket: &mut Socket) -> Poll<io::Result<()>> {
        self.connection.send_close_notify();
        self.poll_flush(socket)
    }
}

fn broken(error: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

impl Socket {
    /// A stream to another node.
    pub(crate) fn sealed(sealed: Sealed) -> io::Result<Self> {
        let mut socket = Self::new(sealed.socket)?;
        socket.lay(Box::new(Layer {
            connection: sealed.connection,
            owed: 0,
            fault: None,
            leave: Some(sealed.leave),
        }));
        // Why: what came behind the handshake is decrypted already.
        socket.has_more();
        Ok(socket)
    }

    /// Becomes an encrypted stream; `first` was read already. Whoever calls bounds the time.
    pub(crate) async fn encrypt(
        &mut self,
        config: Arc<ServerConfig>,
        mut first: &[u8],
    ) -> io::Result<()> {
        let connection = ServerConnection::new(config).map_err(broken)?;
        let mut layer = Box::new(Layer {
            connection: connection.into(),
            owed: 0,
            fault: None,
            leave: None,
        });
        while !first.is_empty() {
            layer.connection.read_tls(&mut first)?;
            if let Err(error) = layer.connection.process_new_packets() {
                let _ = layer.poll_flush(self);
                return Err(broken(error));
            }
        }
        poll_fn(|_| layer.poll_handshake(self)).await?;
        // Why: what came behind the handshake is here already.
        self.has_more();
        self.lay(layer);
        Ok(())
    }
}

/// The stream below.
struct Raw<'a>(&'a mut Socket);

impl Read for Raw<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        now(self.0.poll_recv(buffer))
    }
}

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        now(self.0.poll_send(&[IoSlice::new(bytes)]))
    }

    fn write_vectored(&mut self, parts: &[IoSlice<'_>]) -> io::Result<usize> {
        now(self.0.poll_send(parts))
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn now<T>(poll: Poll<io::Result<T>>) -> io::Result<T> {
    match poll {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
