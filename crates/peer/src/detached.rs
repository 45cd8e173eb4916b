//! A stream that has left the runtime: its socket and what encrypts it, for a loop of another kind (a gateway's). It is
//! counted and cut as before, by its [`Hold`].

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rustls::Connection;

use crate::registry::Place;
use crate::socket::{Sever, Severer, reset};

/// What [`crate::Stream::detach`] gives.
#[derive(Debug)]
pub struct Detached {
    /// Connected; does not block.
    pub socket: OwnedFd,
    /// Past its handshake. May hold bytes that are decrypted already, and bytes that are not sent yet.
    pub connection: Connection,
    /// To be kept for as long as the socket is used.
    pub hold: Hold,
}

/// A detached stream's place among the connections of its node; given up when dropped.
#[derive(Debug)]
pub struct Hold {
    line: Arc<Line>,
    _place: Place,
}

/// The socket, for whoever cuts it.
#[derive(Debug)]
struct Line {
    /// Why a second descriptor: the first is whose the stream is, who may close it while it is being cut.
    socket: OwnedFd,
    severed: AtomicBool,
}

impl Detached {
    pub(crate) fn new(
        socket: OwnedFd,
        connection: Connection,
        mut place: Place,
    ) -> io::Result<Self> {
        let line = Arc::new(Line {
            socket: socket.try_clone()?,
            severed: AtomicBool::new(false),
        });
        let severed: Arc<dyn Sever> = line.clone();
        place.pass_on(&Severer::of(&severed));
        Ok(Self {
            socket,
            connection,
            hold: Hold {
                line,
                _place: place,
            },
        })
    }
}

impl Hold {
    /// True when the stream was cut: not a byte of it is to be believed or sent from now on. Whoever waits for the
    /// socket is woken.
    pub fn is_cut(&self) -> bool {
        self.line.severed.load(Ordering::Acquire)
    }
}

impl Sever for Line {
    fn sever(&self) {
        self.severed.store(true, Ordering::Release);
        reset(&self.socket);
    }
}
