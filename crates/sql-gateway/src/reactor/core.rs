//! What tasks reach of the loop they run in: it lies in a variable of the thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::inbox::Inbox;
use super::slots::Slots;
use super::socket::Source;

/// A task's whole life.
pub(super) type Life = Pin<Box<dyn Future<Output = ()>>>;

/// The token of the loop's letter box.
pub(super) const BELL: mio::Token = mio::Token(usize::MAX);

thread_local! {
    static CORE: RefCell<Option<Rc<Core>>> = const { RefCell::new(None) };
    static CURRENT: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// One loop's sockets, timers and letter box.
pub(super) struct Core {
    pub(super) registry: mio::Registry,
    pub(super) inbox: Arc<Inbox>,
    pub(super) sources: RefCell<Slots<Rc<Source>>>,
    /// Tasks by the time at which they are polled; the number keeps equal times apart.
    pub(super) timers: RefCell<BTreeMap<(Instant, u64), usize>>,
    timer: Cell<u64>,
    /// Tasks that were made and not polled yet.
    pub(super) spawned: RefCell<Vec<Life>>,
    /// Everybody is polled once.
    pub(super) everybody: Cell<bool>,
}

impl Core {
    pub(super) fn new(registry: mio::Registry, inbox: Arc<Inbox>) -> Rc<Self> {
        Rc::new(Self {
            registry,
            inbox,
            sources: RefCell::default(),
            timers: RefCell::default(),
            timer: Cell::new(0),
            spawned: RefCell::default(),
            everybody: Cell::new(false),
        })
    }

    /// Polls the current task at this time, or soon after; returns the key to take that back.
    pub(super) fn set_timer(&self, at: Instant) -> (Instant, u64) {
        let key = (at, self.timer.get());
        self.timer.set(key.1 + 1);
        self.timers.borrow_mut().insert(key, current());
        key
    }

    pub(super) fn clear_timer(&self, key: (Instant, u64)) {
        self.timers.borrow_mut().remove(&key);
    }
}

/// The loop of this thread.
pub(super) fn core() -> io::Result<Rc<Core>> {
    let core = CORE.try_with(|core| core.borrow().clone());
    core.ok()
        .flatten()
        .ok_or_else(|| io::Error::other("outside of an event loop"))
}

/// This thread's loop begins (or ends).
pub(super) fn enter(core: Option<Rc<Core>>) {
    CORE.with(|place| place.replace(core));
}

/// True when the letter box is that of this thread's loop.
pub(super) fn is_here(inbox: &Inbox) -> bool {
    let here = CORE.try_with(|core| {
        let core = core.borrow();
        core.as_ref()
            .is_some_and(|core| std::ptr::eq(&raw const *core.inbox, inbox))
    });
    here.unwrap_or(false)
}

/// The task that is polled now.
pub(super) fn current() -> usize {
    CURRENT.get()
}

pub(super) fn set_current(task: usize) {
    CURRENT.set(task);
}

/// Makes a task of this loop. Dropped without being polled when there is no loop.
pub(crate) fn spawn(life: impl Future<Output = ()> + 'static) {
    if let Ok(core) = core() {
        core.spawned.borrow_mut().push(Box::pin(life));
    }
}

/// Polls every task of this loop once.
pub(crate) fn wake_all() {
    if let Ok(core) = core() {
        core.everybody.set(true);
    }
}
