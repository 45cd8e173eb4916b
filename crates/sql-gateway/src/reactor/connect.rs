//! Streams to servers near by.

use std::future::poll_fn;
use std::io;

use mio::net::{TcpStream, UnixStream};

use super::socket::Socket;
use crate::route::Address;

impl Socket {
    /// Connects. Whoever calls bounds the time.
    pub(crate) async fn connect(address: &Address) -> io::Result<Self> {
        let address = match address {
            Address::Tcp(address) => *address,
            // A unix socket is connected at once, or not at all.
            Address::Unix(path) => return Self::new(UnixStream::connect(path)?),
        };
        let stream = TcpStream::connect(address)?;
        let _ = stream.set_nodelay(true);
        let mut socket = Self::connecting(stream)?;
        poll_fn(|_| socket.poll_room()).await;
        socket.error()?;
        Ok(socket)
    }
}
