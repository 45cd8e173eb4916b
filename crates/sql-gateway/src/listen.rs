//! The addresses and sockets on which clients arrive.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::Config;
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

/// Everything the gateway listens on. The paths of unix sockets are removed when it is dropped.
pub(crate) struct Listeners {
    listeners: Vec<Listener>,
    paths: Vec<PathBuf>,
}

impl Listeners {
    pub(crate) fn bind(config: &Config) -> Result<Self, GatewayError> {
        if config.listen.is_empty() && config.sockets.is_empty() {
            return Err(GatewayError::NothingToListenOn);
        }
        let mut all = Self {
            listeners: Vec::new(),
            paths: Vec::new(),
        };
        for address in &config.listen {
            let listener = bind_tcp(*address).map_err(|source| GatewayError::Listen {
                address: *address,
                source,
            })?;
            all.listeners.push(Listener::Tcp(listener));
        }
        for path in &config.sockets {
            all.listeners.push(Listener::Unix(bind_unix(path)?));
            all.paths.push(path.clone());
        }
        Ok(all)
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let tcp = self.listeners.iter().filter_map(|listener| match listener {
            Listener::Tcp(listener) => listener.local_addr().ok(),
            Listener::Unix(_) => None,
        });
        tcp.collect()
    }

    /// The sockets themselves, for the thread that accepts.
    pub(crate) fn take(&mut self) -> Vec<Listener> {
        std::mem::take(&mut self.listeners)
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        for path in &self.paths {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<TcpListener> {
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
fn bind_unix(path: &Path) -> Result<UnixListener, GatewayError> {
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
