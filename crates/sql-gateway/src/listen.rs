//! The addresses and sockets on which clients arrive. Which of them are open now: `doors.rs`.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::Path;

use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use socket2::SockRef;

use crate::error::GatewayError;
use crate::reactor::Socket;
use crate::tally::Via;

const BACKLOG: i32 = 1024;

/// A client that has just connected, and belongs to no thread yet.
pub(crate) enum Newcomer {
    /// By TCP.
    Tcp(TcpStream, SocketAddr),
    /// By a unix socket.
    Unix(UnixStream),
}

impl Newcomer {
    /// Its socket in this thread's loop.
    pub(crate) fn into_socket(self) -> io::Result<Socket> {
        match self {
            Self::Tcp(stream, _) => {
                let _ = stream.set_nodelay(true);
                // Why: a client whose machine vanished must not keep its place for ever.
                let _ = socket2::SockRef::from(&stream).set_keepalive(true);
                Socket::new(stream)
            }
            Self::Unix(stream) => Socket::new(stream),
        }
    }

    /// Where it comes from; `None` for a unix socket.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(_, peer) => Some(*peer),
            Self::Unix(_) => None,
        }
    }

    /// How it comes.
    pub(crate) fn via(&self) -> Via {
        match self {
            Self::Tcp(..) => Via::Tcp,
            Self::Unix(_) => Via::Unix,
        }
    }

    /// Says a few last bytes without waiting.
    pub(crate) fn say(mut self, bytes: &[u8]) {
        let _ = match &mut self {
            Self::Tcp(stream, _) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        };
    }
}

/// A socket that clients connect to.
pub(crate) enum Listener {
    /// An address.
    Tcp(TcpListener),
    /// A path.
    Unix(UnixListener),
}

impl Listener {
    /// The next client; `WouldBlock` when there is none.
    pub(crate) fn accept(&self) -> io::Result<Newcomer> {
        match self {
            Self::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok(Newcomer::Tcp(stream, peer))
            }
            Self::Unix(listener) => Ok(Newcomer::Unix(listener.accept()?.0)),
        }
    }
}

impl mio::event::Source for Listener {
    fn register(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interest: mio::Interest,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.register(registry, token, interest),
            Self::Unix(listener) => listener.register(registry, token, interest),
        }
    }

    fn reregister(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interest: mio::Interest,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.reregister(registry, token, interest),
            Self::Unix(listener) => listener.reregister(registry, token, interest),
        }
    }

    fn deregister(&mut self, registry: &mio::Registry) -> io::Result<()> {
        match self {
            Self::Tcp(listener) => listener.deregister(registry),
            Self::Unix(listener) => listener.deregister(registry),
        }
    }
}

/// Listening sockets that another process gave to this one.
#[derive(Debug, Default)]
pub struct Inherited(Vec<OwnedFd>);

impl From<Vec<OwnedFd>> for Inherited {
    fn from(sockets: Vec<OwnedFd>) -> Self {
        Self(sockets)
    }
}

impl Inherited {
    /// Takes the listener at this address; for port 0 the first at its IP address.
    pub(crate) fn tcp(&mut self, address: SocketAddr) -> Option<TcpListener> {
        let socket = self.take(|socket| {
            let bound = socket.local_addr().ok().and_then(|bound| bound.as_socket());
            bound.is_some_and(|bound| {
                bound == address || (address.port() == 0 && bound.ip() == address.ip())
            })
        })?;
        socket.set_nonblocking(true).ok()?;
        Some(TcpListener::from_std(socket.into()))
    }

    /// Takes the listener of this path, if the path still leads somewhere.
    pub(crate) fn unix(&mut self, path: &Path) -> Option<UnixListener> {
        let found = std::fs::symlink_metadata(path).ok()?;
        if !found.file_type().is_socket() {
            return None;
        }
        let socket = self.take(|socket| {
            let bound = socket.local_addr().ok();
            bound.is_some_and(|bound| bound.as_pathname() == Some(path))
        })?;
        socket.set_nonblocking(true).ok()?;
        Some(UnixListener::from_std(socket.into()))
    }

    fn take(&mut self, is_wanted: impl Fn(&SockRef<'_>) -> bool) -> Option<socket2::Socket> {
        let is_wanted = |socket: &OwnedFd| {
            let socket = SockRef::from(socket);
            socket.is_listener().unwrap_or(false) && is_wanted(&socket)
        };
        let at = self.0.iter().position(is_wanted)?;
        Some(self.0.swap_remove(at).into())
    }
}

pub(crate) fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket2::Socket::new(
        socket2::Domain::for_address(address),
        socket2::Type::STREAM,
        None,
    )?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// A path is taken over only if nobody answers on it.
pub(crate) fn bind_unix(path: &Path) -> Result<UnixListener, GatewayError> {
    let failed = |source| GatewayError::ListenSocket {
        path: path.to_owned(),
        source,
    };
    if let Ok(found) = std::fs::symlink_metadata(path) {
        if !found.file_type().is_socket() {
            return Err(failed(io::Error::new(
                io::ErrorKind::AlreadyExists,
                "a file that is no socket is there",
            )));
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(GatewayError::SocketInUse {
                path: path.to_owned(),
            });
        }
        std::fs::remove_file(path).map_err(failed)?;
    }
    let listener = UnixListener::bind(path).map_err(failed)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).map_err(failed)?;
    Ok(listener)
}
