//! What the kernel last said about a socket, and which task wants to know.

use std::cell::Cell;
use std::io;
use std::rc::Rc;

use mio::Interest;
use rustix::event::epoll::EventFlags;

use super::core::{core, current};

pub(super) const READABLE: u8 = 1;
pub(super) const WRITABLE: u8 = 1 << 1;
/// No more bytes will come: reading on finds the end.
pub(super) const ENDED: u8 = 1 << 2;

/// What the kernel last said about a socket, and who wants to know.
#[derive(Debug)]
pub(super) struct Source {
    state: Cell<u8>,
    /// Its number. Why so short: with its counts it is 24 bytes, for which an allocator has a place.
    task: Cell<u32>,
}

impl Source {
    /// Somebody watches something: where it stands in the loop, and its token.
    pub(super) fn register(
        io: &mut dyn mio::event::Source,
        interest: Interest,
        state: u8,
    ) -> io::Result<(Rc<Self>, usize)> {
        let core = core()?;
        let source = Rc::new(Self {
            state: Cell::new(state),
            task: Cell::new(current() as u32),
        });
        let slot = core.sources.borrow_mut().insert(Rc::clone(&source));
        let registered = io.register(&core.registry, mio::Token(slot), interest);
        if let Err(error) = registered {
            core.sources.borrow_mut().remove(slot);
            return Err(error);
        }
        Ok((source, slot))
    }

    pub(super) fn forget(slot: usize) {
        if let Ok(core) = core() {
            core.sources.borrow_mut().remove(slot);
        }
    }

    /// Takes what the kernel says of it; returns the task that it is for.
    pub(super) fn happened(&self, flags: EventFlags) -> usize {
        let mut state = self.state.get();
        // Why first: most often that is all.
        if flags == EventFlags::IN {
            self.state.set(state | READABLE);
            return self.task.get() as usize;
        }
        if flags.intersects(EventFlags::IN | EventFlags::PRI) {
            state |= READABLE;
        }
        if flags.contains(EventFlags::OUT) {
            state |= WRITABLE;
        }
        if flags.intersects(EventFlags::HUP | EventFlags::ERR | EventFlags::RDHUP) {
            state |= READABLE | ENDED;
        }
        if flags.intersects(EventFlags::HUP | EventFlags::ERR) {
            state |= WRITABLE;
        }
        self.state.set(state);
        self.task.get() as usize
    }

    pub(super) fn is(&self, what: u8) -> bool {
        self.state.get() & what != 0
    }

    pub(super) fn set(&self, what: u8) {
        self.state.set(self.state.get() | what);
    }

    pub(super) fn clear(&self, what: u8) {
        self.state.set(self.state.get() & !what);
    }

    /// The current task waits for it.
    pub(super) fn wait(&self) {
        self.task.set(current() as u32);
    }

    pub(super) fn is_readable(&self) -> bool {
        self.is(READABLE)
    }

    pub(super) fn not_readable(&self) {
        self.clear(READABLE);
    }
}
