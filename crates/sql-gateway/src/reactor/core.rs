//! What tasks reach of the loop they run in: it lies in a variable of the thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::collections::btree_map::OccupiedEntry;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::inbox::Inbox;
use super::slots::Slots;
use super::source::Source;

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
    /// The time of the first of them. Why beside them: the loop asks in every turn.
    pub(super) soonest: Cell<Option<Instant>>,
    /// There are tasks to be polled before the kernel is asked: spawned, woken, or everybody.
    pub(super) is_stirred: Cell<bool>,
    /// Tasks that were made and not polled yet.
    pub(super) spawned: RefCell<Vec<Life>>,
    /// Tasks of this loop that were woken by others of it: polled before the kernel is asked again.
    pub(super) woken: RefCell<Vec<usize>>,
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
            soonest: Cell::new(None),
            is_stirred: Cell::new(false),
            spawned: RefCell::default(),
            woken: RefCell::default(),
            everybody: Cell::new(false),
        })
    }

    /// Polls the current task at this time, or soon after; returns the key to take that back.
    pub(super) fn set_timer(&self, at: Instant) -> (Instant, u64) {
        let key = (at, self.timer.get());
        self.timer.set(key.1 + 1);
        self.timers.borrow_mut().insert(key, current());
        let soonest = self.soonest.get().map_or(at, |soonest| soonest.min(at));
        self.soonest.set(Some(soonest));
        key
    }

    pub(super) fn clear_timer(&self, key: (Instant, u64)) {
        let mut timers = self.timers.borrow_mut();
        timers.remove(&key);
        self.soonest.set(first(&timers));
    }

    /// Takes a task out whose time has come.
    pub(super) fn take_timer(&self, now: Instant) -> Option<usize> {
        let mut timers = self.timers.borrow_mut();
        let due = timers.first_entry().filter(|first| first.key().0 <= now);
        let task = due.map(OccupiedEntry::remove);
        self.soonest.set(first(&timers));
        task
    }

    /// Polls this task before the kernel is asked again.
    fn wake(&self, task: usize) {
        self.woken.borrow_mut().push(task);
        self.is_stirred.set(true);
    }
}

fn first(timers: &BTreeMap<(Instant, u64), usize>) -> Option<Instant> {
    timers.first_key_value().map(|((at, _), _)| *at)
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
    here(inbox, |_| ()).is_some()
}

/// Wakes a task of the letter box's loop, when that is this thread's.
pub(super) fn wake_here(inbox: &Inbox, task: usize) -> bool {
    here(inbox, |core| core.wake(task)).is_some()
}

fn here<T>(inbox: &Inbox, does: impl FnOnce(&Core) -> T) -> Option<T> {
    let done = CORE.try_with(|core| {
        let core = core.borrow();
        let is_its = |core: &&Rc<Core>| std::ptr::eq(&raw const *core.inbox, inbox);
        core.as_ref().filter(is_its).map(|core| does(core))
    });
    done.ok().flatten()
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
        core.is_stirred.set(true);
    }
}

/// Polls every task of this loop once.
pub(crate) fn wake_all() {
    if let Ok(core) = core() {
        core.everybody.set(true);
        core.is_stirred.set(true);
    }
}
