//! Non-blocking streams of one loop. The kernel reports changes only (edge-triggered); what it last said is kept here,
//! so that no call is made that would only say "not yet".

use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use mio::Interest;
use mio::event::Source as _;
use mio::unix::SourceFd;
use rustix::io::Errno;
use rustix::net::sockopt::{set_socket_linger, socket_error};
use rustix::net::{
    RecvFlags, SendAncillaryBuffer, SendFlags, Shutdown, getsockname, recv, send, sendmsg, shutdown,
};

use super::core::core;
use super::source::{ENDED, READABLE, Source, WRITABLE};
use super::tls::Layer;
use super::zipped::Zipped;

/// A connected stream.
pub(crate) struct Socket {
    stream: OwnedFd,
    source: Rc<Source>,
    slot: usize,
    /// The kernel was asked to say when there is room again.
    wants_room: bool,
    zipped: Option<Box<Zipped>>,
    /// What lies between the kernel's stream and ours; nothing, when it is plain.
    layer: Option<Box<Layer>>,
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Socket").finish_non_exhaustive()
    }
}

impl Socket {
    /// A stream that is connected and does not block.
    pub(crate) fn new(stream: impl Into<OwnedFd>) -> io::Result<Self> {
        Self::register(stream.into(), Interest::READABLE, WRITABLE)
    }

    /// A stream that is being connected: when it is, there is room.
    pub(super) fn connecting(stream: impl Into<OwnedFd>) -> io::Result<Self> {
        let both = Interest::READABLE | Interest::WRITABLE;
        let mut socket = Self::register(stream.into(), both, 0)?;
        socket.wants_room = true;
        Ok(socket)
    }

    fn register(stream: OwnedFd, interest: Interest, state: u8) -> io::Result<Self> {
        let (source, slot) = Source::register(&mut SourceFd(&stream.as_raw_fd()), interest, state)?;
        Ok(Self {
            stream,
            source,
            slot,
            wants_room: false,
            zipped: None,
            layer: None,
        })
    }

    /// The current task waits for it from now on.
    pub(crate) fn hand_over(&self) {
        self.source.wait();
    }

    /// False when there is certainly nothing to read.
    #[inline]
    pub(crate) fn is_readable(&self) -> bool {
        let is_readable = |zipped: &Zipped| zipped.is_readable();
        self.source.is_readable() || self.zipped.as_deref().is_some_and(is_readable)
    }

    /// From now on the stream is the compressed protocol; what was read of it already.
    pub(crate) fn zip(&mut self, raw: Vec<u8>) {
        self.zipped = Some(Box::new(Zipped::new(raw)));
    }

    /// It is the compressed protocol.
    pub(crate) fn is_zipped(&self) -> bool {
        self.zipped.is_some()
    }

    /// The client was asked for a file whose first packet has this number. Only the compressed protocol cares.
    pub(crate) fn asks_for_file(&mut self, number: u8) {
        if let Some(zipped) = &mut self.zipped {
            zipped.asks_for_file(number);
        }
    }

    /// True when the other side has neither said anything nor ended, as far as the kernel knows by now. What comes is for
    /// the current task.
    pub(crate) fn is_quiet(&mut self) -> bool {
        self.source.wait();
        if self.layer.as_mut().is_some_and(|layer| !layer.is_empty()) {
            return false;
        }
        loop {
            match recv(&self.stream, &mut [0; 1], RecvFlags::PEEK) {
                Err(Errno::WOULDBLOCK) => {
                    self.source.clear(READABLE | ENDED);
                    return true;
                }
                Err(Errno::INTR) => {}
                _ => return false,
            }
        }
    }

    /// Reads what has come. Zero bytes are the end.
    #[inline]
    pub(crate) fn poll_read(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.is_plain() {
            return self.poll_recv(buffer);
        }
        self.poll_read_wrapped(buffer)
    }

    /// Neither encrypted nor compressed.
    fn is_plain(&self) -> bool {
        self.layer.is_none() && self.zipped.is_none()
    }

    fn poll_read_wrapped(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let Some(mut zipped) = self.zipped.take() else {
            return self.poll_read_layer(buffer);
        };
        let read = self.poll_read_zipped(&mut zipped, buffer);
        self.zipped = Some(zipped);
        read
    }

    fn poll_read_zipped(
        &mut self,
        zipped: &mut Zipped,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let plain = zipped.read(buffer)?;
            if plain > 0 {
                return Poll::Ready(Ok(plain));
            }
            let mut raw = [0; 4096];
            match ready!(self.poll_read_layer(&mut raw))? {
                0 => return Poll::Ready(Ok(0)),
                n => zipped.feed(&raw[..n]),
            }
        }
    }

    /// Decrypted, if it is encrypted.
    fn poll_read_layer(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.layer.is_some() {
            return self.through(|layer, socket| layer.poll_read(socket, buffer));
        }
        self.poll_recv(buffer)
    }

    /// Of the kernel's stream. Less than fits means that there is no more for now.
    pub(super) fn poll_recv(&mut self, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        loop {
            if !self.source.is(READABLE) {
                self.source.wait();
                return Poll::Pending;
            }
            match recv(&self.stream, &mut *buffer, RecvFlags::empty()) {
                Ok((n, _)) => {
                    // Why ENDED: the end was announced with these bytes, and is not announced again.
                    if n < buffer.len() && n > 0 && !self.source.is(ENDED) {
                        self.source.clear(READABLE);
                    }
                    return Poll::Ready(Ok(n));
                }
                Err(Errno::WOULDBLOCK) => self.source.clear(READABLE | ENDED),
                Err(Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Writes what fits. After `Pending` the same bytes must be offered again, and more behind them at will.
    #[inline]
    pub(crate) fn poll_write(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_plain() {
            return self.poll_send_plain(bytes);
        }
        self.poll_write_wrapped(bytes)
    }

    fn poll_send_plain(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_with_room(|stream| send(stream, bytes, SendFlags::NOSIGNAL))
    }

    fn poll_write_wrapped(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(mut zipped) = self.zipped.take() else {
            return self.poll_write_layer(bytes);
        };
        let sent = self.poll_write_zipped(&mut zipped, bytes);
        self.zipped = Some(zipped);
        sent
    }

    fn poll_write_zipped(&mut self, zipped: &mut Zipped, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            let sent = ready!(self.poll_write_layer(zipped.frame(bytes)))?;
            match (sent, zipped.left(sent)) {
                (0, _) => return Poll::Ready(Ok(0)),
                (_, Some(accepted)) => return Poll::Ready(Ok(accepted)),
                (_, None) => {}
            }
        }
    }

    /// Encrypted, if it is to be.
    fn poll_write_layer(&mut self, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.layer.is_some() {
            return self.through(|layer, socket| layer.poll_write(socket, bytes));
        }
        self.poll_send_plain(bytes)
    }

    /// Parts of bytes, to the kernel's stream.
    pub(super) fn poll_send(&mut self, parts: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        self.poll_with_room(|stream| {
            let nothing = &mut SendAncillaryBuffer::default();
            sendmsg(stream, parts, nothing, SendFlags::NOSIGNAL)
        })
    }

    fn poll_with_room(
        &mut self,
        write: impl Fn(&OwnedFd) -> Result<usize, Errno>,
    ) -> Poll<io::Result<usize>> {
        loop {
            if !self.source.is(WRITABLE) {
                self.source.wait();
                return Poll::Pending;
            }
            if self.wants_room {
                self.watch(false)?;
            }
            match write(&self.stream) {
                Err(Errno::WOULDBLOCK) => {
                    self.source.clear(WRITABLE);
                    self.watch(true)?;
                }
                Err(Errno::INTR) => {}
                done => return Poll::Ready(done.map_err(io::Error::from)),
            }
        }
    }

    /// From now on this lies between the kernel's stream and ours.
    pub(super) fn lay(&mut self, layer: Box<Layer>) {
        self.layer = Some(layer);
    }

    /// Reading on is worth a try, whatever the kernel said.
    pub(super) fn has_more(&self) {
        self.source.set(READABLE);
    }

    #[cold]
    fn through(
        &mut self,
        does: impl FnOnce(&mut Layer, &mut Self) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let Some(mut layer) = self.layer.take() else {
            return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
        };
        let done = does(&mut layer, self);
        self.layer = Some(layer);
        done
    }

    // Why not always: a unix socket would report each time that the other side has read something.
    fn watch(&mut self, room: bool) -> io::Result<()> {
        let interest = if room {
            Interest::READABLE | Interest::WRITABLE
        } else {
            Interest::READABLE
        };
        let (core, token) = (core()?, mio::Token(self.slot));
        let stream = self.stream.as_raw_fd();
        SourceFd(&stream).reregister(&core.registry, token, interest)?;
        self.wants_room = room;
        Ok(())
    }

    /// The kernel has nothing more to say of it.
    fn ignore(&self) {
        if let Ok(core) = core() {
            let _ = SourceFd(&self.stream.as_raw_fd()).deregister(&core.registry);
        }
    }

    /// Waits for room.
    pub(super) fn poll_room(&mut self) -> Poll<()> {
        if self.source.is(WRITABLE) {
            return Poll::Ready(());
        }
        self.source.wait();
        Poll::Pending
    }

    /// Nothing more is written: the other side is told so when it has all that was. After `Pending` to be called again.
    pub(crate) fn poll_finish(&mut self) -> Poll<io::Result<()>> {
        if let Some(mut layer) = self.layer.take() {
            let told = layer.poll_farewell(self);
            self.layer = Some(layer);
            ready!(told)?;
        }
        match shutdown(&self.stream, Shutdown::Write) {
            Ok(()) | Err(Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }

    /// The other side is reset when this is dropped, whatever is still on its way.
    pub(crate) fn sever(&self) {
        let _ = set_socket_linger(&self.stream, Some(Duration::ZERO));
        let _ = shutdown(&self.stream, Shutdown::Both);
    }

    /// Our end's address; `None` for what is no IP address.
    pub(crate) fn local_address(&self) -> io::Result<Option<SocketAddr>> {
        Ok(SocketAddr::try_from(getsockname(&self.stream)?).ok())
    }

    /// What went wrong with the connection, once.
    pub(super) fn error(&self) -> io::Result<()> {
        Ok(socket_error(&self.stream)??)
    }

    /// Writes everything.
    pub(crate) async fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match poll_fn(|_| self.poll_write(bytes)).await? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                n => bytes = &bytes[n..],
            }
        }
        Ok(())
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        if let Some(mut layer) = self.layer.take() {
            layer.say_farewell(self);
            // Why: whoever may end the stream may still hold the socket for a moment when it is closed here.
            self.ignore();
        }
        // The kernel forgets a socket when it is closed.
        Source::forget(self.slot);
    }
}
