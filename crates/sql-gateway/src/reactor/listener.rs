//! Accepts streams in one loop.

use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::Poll;

use mio::Interest;

use super::core::core;
use super::source::Source;

/// A listening socket.
pub(crate) struct Acceptor<L: mio::event::Source> {
    listener: L,
    source: Rc<Source>,
    slot: usize,
}

impl<L: mio::event::Source> Acceptor<L> {
    pub(crate) fn new(mut listener: L) -> io::Result<Self> {
        let (source, slot) = Source::register(&mut listener, Interest::READABLE, 0)?;
        Ok(Self {
            listener,
            source,
            slot,
        })
    }

    /// The next one that `accept` takes off the listener. After an error the caller should pause.
    pub(crate) async fn accept<T>(&self, accept: impl Fn(&L) -> io::Result<T>) -> io::Result<T> {
        poll_fn(|_| {
            if self.source.is_readable() {
                match accept(&self.listener) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        self.source.not_readable();
                    }
                    accepted => return Poll::Ready(accepted),
                }
            }
            self.source.wait();
            Poll::Pending
        })
        .await
    }
}

impl<L: mio::event::Source> Drop for Acceptor<L> {
    fn drop(&mut self) {
        if let Ok(core) = core() {
            let _ = self.listener.deregister(&core.registry);
        }
        Source::forget(self.slot);
    }
}
