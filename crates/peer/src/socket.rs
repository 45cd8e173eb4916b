//! A TCP socket that can be severed by someone who does not hold it: a severed socket neither reads
//! nor writes another byte, whoever is in the middle of using it, and is reset when it is dropped.
//! All our sockets have no delay, keepalive, and a limit on unacknowledged data.
//! `detached.rs` is the same for a socket that has left the runtime.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use rustix::net::sockopt;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

const KEEPALIVE_IDLE: Duration = Duration::from_secs(3);
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(1);
const KEEPALIVE_COUNT: u32 = 3;
/// Calls: a peer that does not acknowledge for so long is gone.
pub(crate) const PROMPT: Duration = Duration::from_secs(5);
/// Replication tunnels: a replica whose disk stalls for a moment keeps its connection.
pub(crate) const STEADY: Duration = Duration::from_secs(15);
/// Byte streams: a receiver may stop reading for a while (a slow disk, a slow client).
pub(crate) const PATIENT: Duration = Duration::from_mins(1);

#[derive(Debug)]
struct Shared {
    tcp: TcpStream,
    severed: AtomicBool,
}

/// The socket; clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Socket(Arc<Shared>);

/// Severs a socket without keeping it open.
#[derive(Debug, Clone)]
pub(crate) struct Severer(Weak<dyn Sever>);

/// What can be severed by somebody who does not hold it.
pub(crate) trait Sever: std::fmt::Debug + Send + Sync {
    /// No byte passes from here on; wakes whoever waits on the socket.
    fn sever(&self);
}

impl Socket {
    /// Takes a connected socket and sets its options.
    pub(crate) fn new(tcp: TcpStream, unacknowledged: Duration) -> io::Result<Self> {
        sockopt::set_tcp_nodelay(&tcp, true)?;
        sockopt::set_socket_keepalive(&tcp, true)?;
        sockopt::set_tcp_keepidle(&tcp, KEEPALIVE_IDLE)?;
        sockopt::set_tcp_keepintvl(&tcp, KEEPALIVE_INTERVAL)?;
        sockopt::set_tcp_keepcnt(&tcp, KEEPALIVE_COUNT)?;
        let socket = Self(Arc::new(Shared {
            tcp,
            severed: AtomicBool::new(false),
        }));
        socket.limit_unacknowledged(unacknowledged)?;
        Ok(socket)
    }

    /// Connects within the limit.
    pub(crate) async fn connect(addr: SocketAddr, limit: Duration) -> io::Result<Self> {
        let connected = tokio::time::timeout(limit, TcpStream::connect(addr)).await;
        Self::new(connected.map_err(|_| io::ErrorKind::TimedOut)??, PROMPT)
    }

    pub(crate) fn limit_unacknowledged(&self, limit: Duration) -> io::Result<()> {
        let millis = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
        Ok(sockopt::set_tcp_user_timeout(&self.0.tcp, millis)?)
    }

    pub(crate) fn severer(&self) -> Severer {
        let shared: Arc<dyn Sever> = self.0.clone();
        Severer::of(&shared)
    }

    /// Takes the socket out of the runtime; it still does not block. Severers that are about do nothing from now on. An
    /// error when it was severed, or somebody else holds it.
    pub(crate) fn into_fd(self) -> io::Result<OwnedFd> {
        self.check()?;
        let shared = Arc::into_inner(self.0).ok_or(io::ErrorKind::ConnectionAborted)?;
        Ok(shared.tcp.into_std()?.into())
    }

    /// No byte passes from here on; wakes whoever waits on the socket.
    pub(crate) fn sever(&self) {
        self.0.sever();
    }

    /// Whether nothing is waiting to be read: a pooled connection with an end or alert waiting is dead.
    pub(crate) fn is_quiet(&self) -> bool {
        use rustix::net::RecvFlags;
        let mut byte = [0_u8; 1];
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        let seen = rustix::net::recv(&self.0.tcp, &mut byte[..], flags);
        matches!(seen, Err(rustix::io::Errno::AGAIN))
    }

    fn check(&self) -> io::Result<()> {
        if self.0.severed.load(Ordering::Acquire) {
            return Err(io::Error::new(
                io::ErrorKind::ConnectionAborted,
                "cut by this node",
            ));
        }
        Ok(())
    }
}

impl Sever for Shared {
    fn sever(&self) {
        self.severed.store(true, Ordering::Release);
        reset(&self.tcp);
    }
}

impl Severer {
    pub(crate) fn of(severed: &Arc<dyn Sever>) -> Self {
        Self(Arc::downgrade(severed))
    }

    pub(crate) fn sever(&self) {
        if let Some(severed) = self.0.upgrade() {
            severed.sever();
        }
    }
}

/// A listening port that is closed when this is dropped, even while a child process that is just being
/// started (forked, not yet executing its program) still holds a copy of the descriptor.
#[derive(Debug)]
pub(crate) struct Port(TcpListener);

impl Port {
    pub(crate) async fn open(addr: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(addr).await.map(Self)
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    pub(crate) async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.0.accept().await
    }
}

impl Drop for Port {
    fn drop(&mut self) {
        let _ = rustix::net::shutdown(&self.0, rustix::net::Shutdown::Both);
    }
}

/// Ends a socket's life both ways, for all who hold it.
pub(crate) fn reset(tcp: impl AsFd) {
    // Why: with no linger the close that follows is a reset, which also throws away what a stalled
    // peer has not taken.
    let _ = sockopt::set_socket_linger(&tcp, Some(Duration::ZERO));
    let _ = rustix::net::shutdown(&tcp, rustix::net::Shutdown::Both);
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            self.check()?;
            ready!(self.0.tcp.poll_read_ready(cx))?;
            match self.0.tcp.try_read(buf.initialize_unfilled()) {
                Ok(count) => {
                    self.check()?;
                    buf.advance(count);
                    return Poll::Ready(Ok(()));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        loop {
            self.check()?;
            ready!(self.0.tcp.poll_write_ready(cx))?;
            match self.0.tcp.try_write_vectored(bufs) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                other => return Poll::Ready(other),
            }
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match rustix::net::shutdown(&self.0.tcp, rustix::net::Shutdown::Write) {
            Ok(()) | Err(rustix::io::Errno::NOTCONN) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}
