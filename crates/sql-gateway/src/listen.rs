//! The addresses and sockets on which clients arrive.

use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};

use crate::config::Config;
use crate::error::GatewayError;
use crate::route::Stream;

const BACKLOG: i32 = 1024;

/// A client that has just connected.
pub(crate) enum Newcomer {
    /// By TCP.
    Tcp(TcpStream, SocketAddr),
    /// By a unix socket.
    Unix(UnixStream),
}

impl Newcomer {
    pub(crate) fn into_stream(self) -> Box<dyn Stream> {
        match self {
            Self::Tcp(stream, _) => {
                let _ = stream.set_nodelay(true);
                // Why: a client whose machine vanished must not keep its place for ever.
                let _ = socket2::SockRef::from(&stream).set_keepalive(true);
                Box::new(stream)
            }
            Self::Unix(stream) => Box::new(stream),
        }
    }

    /// Where it comes from; `None` for a unix socket.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        match self {
            Self::Tcp(_, peer) => Some(*peer),
            Self::Unix(_) => None,
        }
    }

    /// Says a few last bytes without waiting.
    pub(crate) fn say(&self, bytes: &[u8]) {
        let _ = match self {
            Self::Tcp(stream, _) => stream.try_write(bytes),
            Self::Unix(stream) => stream.try_write(bytes),
        };
    }
}

/// Everything the gateway listens on. Sockets are removed when it is dropped.
pub(crate) struct Listeners {
    tcp: Vec<TcpListener>,
    unix: Vec<(UnixListener, PathBuf)>,
}

impl Listeners {
    pub(crate) fn bind(config: &Config) -> Result<Self, GatewayError> {
        if config.listen.is_empty() && config.sockets.is_empty() {
            return Err(GatewayError::NothingToListenOn);
        }
        let mut listeners = Self {
            tcp: Vec::new(),
            unix: Vec::new(),
        };
        for address in &config.listen {
            let listener = bind_tcp(*address).map_err(|source| GatewayError::Listen {
                address: *address,
                source,
            })?;
            listeners.tcp.push(listener);
        }
        for path in &config.sockets {
            listeners.unix.push((bind_unix(path)?, path.clone()));
        }
        Ok(listeners)
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        self.tcp
            .iter()
            .filter_map(|listener| listener.local_addr().ok())
            .collect()
    }

    /// The next client.
    pub(crate) async fn accept(&mut self) -> Newcomer {
        loop {
            match poll_fn(|cx| self.poll_accept(cx)).await {
                Ok(newcomer) => return newcomer,
                Err(error) => {
                    // Why: out of descriptors; trying again at once would only burn the processor.
                    tracing::warn!(%error, "cannot accept a client");
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn poll_accept(&self, cx: &mut Context<'_>) -> Poll<io::Result<Newcomer>> {
        for listener in &self.tcp {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted.map(|(stream, peer)| Newcomer::Tcp(stream, peer)));
            }
        }
        for (listener, _) in &self.unix {
            if let Poll::Ready(accepted) = listener.poll_accept(cx) {
                return Poll::Ready(accepted.map(|(stream, _)| Newcomer::Unix(stream)));
            }
        }
        Poll::Pending
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        for (_, path) in &self.unix {
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
    TcpListener::from_std(socket.into())
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
