//! What can keep a gateway from serving. What single clients are told is in `fault.rs`.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// A gateway that cannot start or go on.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// An address of the configuration is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A socket path cannot be used.
    #[error("cannot listen on the socket {}: {source}", path.display())]
    ListenSocket {
        /// The path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another program answers on a socket path.
    #[error("another server answers on the socket {}", path.display())]
    SocketInUse {
        /// The path.
        path: PathBuf,
    },
    /// The kernel has no place for an event loop.
    #[error("cannot make an event loop: {0}")]
    Loop(io::Error),
    /// What encrypted connections would show cannot be used.
    #[error("cannot encrypt connections: {0}")]
    Certificate(String),
    /// Nothing to listen on.
    #[error("the gateway has no address and no socket to listen on")]
    NothingToListenOn,
}

impl GatewayError {
    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Listen { .. } | Self::SocketInUse { .. } => {
                "stop the other server, or give the gateway another address (`--sql-listen`, `--sql-socket`)"
            }
            Self::ListenSocket { .. } => "the directory must exist and be writable for the agent",
            Self::Certificate(_) => {
                "give `gateway.tls_certificate` and `gateway.tls_key` a PEM certificate and its key"
            }
            Self::Loop(_) => "raise the limit of open files of the agent",
            Self::NothingToListenOn => "set `--sql-listen` or `--sql-socket`",
        }
    }
}
