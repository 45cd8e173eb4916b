//! The loop itself: waits for the kernel, polls the tasks that it names, and those whose time or whose letter has come.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;

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
            patience: None,
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
    patience: Option<Patience>,
}

/// How long the kernel may be waited for, as it was found some turns ago.
#[derive(Clone, Copy)]
struct Patience {
    /// For this timer.
    soonest: Instant,
    /// Until then it is short enough.
    until: Instant,
    time: Timespec,
}

impl Patience {
    /// Some time for which the same patience is good. When it has run out, the rest is waited for.
    const SLACK: Duration = Duration::from_millis(1);
    /// Shorter ones are found anew each time.
    const LEAST: Duration = Duration::from_millis(20);
}

impl Turn {
    fn run(&mut self) -> io::Result<()> {
        let mut events = Vec::with_capacity(EVENTS);
        clock::wake();
        loop {
            if self.is_stirred() && self.tend() {
                return Ok(());
            }
            if self.is_time() {
                self.take_timers();
            }
            events.clear();
            let patience = self.patience();
            // Why not by `mio`'s own call: it goes through the C library, which makes of it a place where the thread may be
            // cancelled; that costs some hundred instructions of a query.
            let waited = epoll::wait(
                self.poll.registry(),
                spare_capacity(&mut events),
                patience.as_ref(),
            );
            match waited {
                Err(error) if error != Errno::INTR => return Err(error.into()),
                _ => {}
            }
            clock::wake();
            for event in &events {
                let (slot, flags) = (event.data.u64() as usize, event.flags);
                let sources = self.core.sources.borrow();
                let task = sources.get(slot).map(|source| source.happened(flags));
                drop(sources);
                if let Some(task) = task {
                    self.poll_task(task);
                }
            }
        }
    }

    /// True when somebody is to be polled whom the kernel does not name.
    fn is_stirred(&self) -> bool {
        self.core.is_stirred.get() || self.core.inbox.is_filled()
    }

    /// Polls them. True: the loop ends.
    #[cold]
    fn tend(&mut self) -> bool {
        self.core.is_stirred.set(false);
        if self.core.inbox.is_filled() || self.core.everybody.get() {
            self.take_letters();
        }
        self.take_woken();
        self.take_spawned();
        self.core.inbox.has_ended()
    }

    /// True when a timer is due.
    fn is_time(&self) -> bool {
        let soonest = self.core.soonest.get();
        soonest.is_some_and(|soonest| soonest <= clock::now())
    }

    /// How long the kernel may be waited for.
    fn patience(&mut self) -> Option<Timespec> {
        if self.is_stirred() {
            return Some(Timespec::default());
        }
        // Why the loop's clock: late by what one turn takes is soon enough for all that waits for a time.
        let (soonest, now) = (self.core.soonest.get()?, clock::now());
        // Why kept: there is a timer nearly always, and to compare times costs less than to subtract them.
        if let Some(known) = &self.patience
            && known.soonest == soonest
            && now <= known.until
        {
            return Some(known.time);
        }
        let left = soonest.saturating_duration_since(now);
        if left < Patience::LEAST {
            return Timespec::try_from(left).ok();
        }
        // What is too long for a number of the kernel's is waited for without a limit.
        let time = Timespec::try_from(left.saturating_sub(Patience::SLACK)).ok()?;
        self.patience = Some(Patience {
            soonest,
            until: now + Patience::SLACK,
            time,
        });
        Some(time)
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

    /// Those who are woken meanwhile, perhaps by themselves, have to wait until the kernel was asked.
    fn take_woken(&mut self) {
        let mut woken = std::mem::take(&mut *self.core.woken.borrow_mut());
        for task in woken.drain(..) {
            self.poll_task(task);
        }
        let mut later = self.core.woken.borrow_mut();
        if later.is_empty() {
            *later = woken;
        }
    }

    fn take_timers(&mut self) {
        let now = clock::now();
        while let Some(task) = self.core.take_timer(now) {
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
