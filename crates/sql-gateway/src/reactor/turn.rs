//! The loop itself: waits for the kernel, polls the tasks that it names, and those whose time or whose letter has come.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use super::clock;
use super::core::{BELL, Core, Life, enter, set_current};
use super::inbox::{Inbox, TaskWaker};
use super::slots::Slots;

/// Events taken from the kernel at once.
const EVENTS: usize = 512;

/// A loop that can be sent to its thread.
pub(crate) struct Reactor {
    poll: mio::Poll,
    inbox: Arc<Inbox>,
}

struct Task {
    life: Life,
    waker: Waker,
}

impl Reactor {
    pub(crate) fn new() -> io::Result<Self> {
        let poll = mio::Poll::new()?;
        let inbox = Inbox::new(poll.registry(), BELL)?;
        Ok(Self { poll, inbox })
    }

    /// Its letter box.
    pub(crate) fn inbox(&self) -> Arc<Inbox> {
        Arc::clone(&self.inbox)
    }

    /// Runs until [`Inbox::end`]; then everything that is left is dropped. Blocks the thread.
    pub(crate) fn run(self) -> io::Result<()> {
        let core = Core::new(self.poll.registry().try_clone()?, Arc::clone(&self.inbox));
        enter(Some(Rc::clone(&core)));
        let mut turn = Turn {
            poll: self.poll,
            core,
            tasks: Slots::default(),
        };
        let outcome = turn.run();
        turn.end();
        enter(None);
        outcome
    }
}

struct Turn {
    poll: mio::Poll,
    core: Rc<Core>,
    tasks: Slots<Task>,
}

impl Turn {
    fn run(&mut self) -> io::Result<()> {
        let mut events = mio::Events::with_capacity(EVENTS);
        clock::wake();
        loop {
            if self.core.inbox.is_filled() || self.core.everybody.get() {
                self.take_letters();
            }
            if !self.core.timers.borrow().is_empty() {
                self.take_timers();
            }
            self.take_spawned();
            if self.core.inbox.has_ended() {
                return Ok(());
            }
            match self.poll.poll(&mut events, self.patience()) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error),
                _ => {}
            }
            clock::wake();
            for event in &events {
                let mio::Token(slot) = event.token();
                let sources = self.core.sources.borrow();
                let task = sources.get(slot).map(|source| source.happened(event));
                drop(sources);
                if let Some(task) = task {
                    self.poll_task(task);
                }
            }
        }
    }

    /// How long the kernel may be waited for.
    fn patience(&self) -> Option<Duration> {
        if self.core.inbox.is_filled() || self.core.everybody.get() {
            return Some(Duration::ZERO);
        }
        let timers = self.core.timers.borrow();
        if timers.is_empty() {
            return None;
        }
        let ((at, _), _) = timers.first_key_value()?;
        Some(at.saturating_duration_since(Instant::now()))
    }

    fn take_letters(&mut self) {
        if self.core.inbox.is_filled() {
            let letters = self.core.inbox.empty();
            for visit in letters.visits {
                visit();
            }
            for task in letters.woken {
                self.poll_task(task);
            }
        }
        if self.core.everybody.take() {
            let everybody: Vec<usize> = self.tasks.numbers().collect();
            for task in everybody {
                self.poll_task(task);
            }
        }
    }

    fn take_timers(&mut self) {
        let now = Instant::now();
        loop {
            let mut timers = self.core.timers.borrow_mut();
            let Some(first) = timers.first_entry().filter(|first| first.key().0 <= now) else {
                return;
            };
            let task = first.remove();
            drop(timers);
            self.poll_task(task);
        }
    }

    /// New tasks are polled at once, and so are those that they make.
    fn take_spawned(&mut self) {
        loop {
            let Some(life) = self.core.spawned.borrow_mut().pop() else {
                return;
            };
            let task = self.tasks.next();
            let waker = Waker::from(Arc::new(TaskWaker {
                inbox: Arc::clone(&self.core.inbox),
                task,
            }));
            self.tasks.insert(Task { life, waker });
            self.poll_task(task);
        }
    }

    #[inline]
    fn poll_task(&mut self, number: usize) {
        let Some(task) = self.tasks.get_mut(number) else {
            return;
        };
        set_current(number);
        let mut cx = Context::from_waker(&task.waker);
        // Why: a fault in one session ends that session, not the others of its thread.
        let polled = catch_unwind(AssertUnwindSafe(|| task.life.as_mut().poll(&mut cx)));
        if polled.is_err() {
            tracing::error!("a task of the gateway has failed; its connection is closed");
        }
        let ended = polled.map_or(true, |poll| poll.is_ready());
        if ended {
            let over = self.tasks.remove(number);
            let _ = catch_unwind(AssertUnwindSafe(move || drop(over)));
        }
    }

    fn end(&mut self) {
        drop(self.core.inbox.empty());
        let spawned = std::mem::take(&mut *self.core.spawned.borrow_mut());
        let left = self.tasks.clear();
        for one in left {
            let _ = catch_unwind(AssertUnwindSafe(move || drop(one)));
        }
        drop(spawned);
    }
}
