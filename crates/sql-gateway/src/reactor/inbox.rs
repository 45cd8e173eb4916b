//! What other threads leave for a loop: tasks to poll, new tasks to make, the order to end.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Wake;

use super::core::{is_here, wake_here};

/// Makes a task of the loop's thread.
pub(super) type Visit = Box<dyn FnOnce() + Send>;

/// The letter box of one loop. Cheap to share.
pub(crate) struct Inbox {
    /// Something lies in it that the loop has not been told of taking.
    filled: AtomicBool,
    ends: AtomicBool,
    letters: Mutex<Letters>,
    bell: mio::Waker,
}

#[derive(Default)]
pub(super) struct Letters {
    pub(super) woken: Vec<usize>,
    pub(super) visits: Vec<Visit>,
}

impl Inbox {
    pub(super) fn new(registry: &mio::Registry, token: mio::Token) -> io::Result<Arc<Self>> {
        Ok(Arc::new(Self {
            filled: AtomicBool::new(false),
            ends: AtomicBool::new(false),
            letters: Mutex::default(),
            bell: mio::Waker::new(registry, token)?,
        }))
    }

    /// Runs `visit` on the loop's thread, inside the loop. Lost when the loop has ended.
    pub(crate) fn visit(&self, visit: impl FnOnce() + Send + 'static) {
        self.letters().visits.push(Box::new(visit));
        self.ring();
    }

    /// Ends the loop: all its tasks are dropped where they stand.
    pub(crate) fn end(&self) {
        self.ends.store(true, Ordering::SeqCst);
        self.ring();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ends.load(Ordering::SeqCst)
    }

    /// True when something may lie in it.
    pub(super) fn is_filled(&self) -> bool {
        self.filled.load(Ordering::SeqCst)
    }

    /// What lies in it. A letter that comes meanwhile rings the bell.
    pub(super) fn empty(&self) -> Letters {
        self.filled.store(false, Ordering::SeqCst);
        std::mem::take(&mut *self.letters())
    }

    fn wake(&self, task: usize) {
        // Why not by letter: no other thread has a part in it, and this happens with each read on a replica.
        if wake_here(self, task) {
            return;
        }
        self.letters().woken.push(task);
        self.ring();
    }

    fn ring(&self) {
        // Why not from the loop's own thread: it looks into the box before it sleeps.
        if !self.filled.swap(true, Ordering::SeqCst) && !is_here(self) {
            // Fails only when the kernel has no memory; the next letter rings again.
            if self.bell.wake().is_err() {
                self.filled.store(false, Ordering::SeqCst);
            }
        }
    }

    fn letters(&self) -> MutexGuard<'_, Letters> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Wakes one task, from any thread.
pub(super) struct TaskWaker {
    pub(super) inbox: Arc<Inbox>,
    pub(super) task: usize,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.inbox.wake(self.task);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.inbox.wake(self.task);
    }
}
