//! Who is connected, so that KILL finds its target. Ids of the gateway start where no server counts to.

use std::collections::HashMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Poll, Waker};

use crate::manner::Manner;
use crate::tally::OTHER;

/// Ids given to clients have this bit (a server counts from 1); they fit a signed 32-bit number.
const OURS: u32 = 0x4000_0000;

/// Stands for the id of a connection to a replica while a read waits to go there. No server counts so far.
const WAITS: u32 = u32::MAX;

/// One session, as others see it.
#[derive(Debug)]
pub(crate) struct Entry {
    /// The id in its greeting.
    pub(crate) id: u32,
    /// Where its connection comes from, or for whom a load balancer made it; `None` for a unix socket.
    peer: Mutex<Option<SocketAddr>>,
    /// The thread that serves it.
    pub(crate) lane: usize,
    /// How it is served.
    pub(crate) manner: Manner,
    /// Whose numbers it counts for.
    account: AtomicU16,
    /// The id on the server; 0 while it has no connection.
    server: AtomicU32,
    /// The id on the replica that runs its read; 0 while none does.
    elsewhere: AtomicU32,
    /// That read is to be killed there.
    struck: AtomicBool,
    /// Wakes the session, once it has a connection to a replica, or waits.
    waker: Mutex<Option<Waker>>,
    user: Mutex<Option<Arc<[u8]>>>,
    /// KILLs that were sent for it and not refused.
    kills: AtomicU32,
    /// A KILL is on its way.
    pending: AtomicU32,
    /// A KILL of the whole connection was sent for it and not refused.
    doomed: AtomicBool,
    /// It has given its connection away, and needs none.
    away: AtomicBool,
    waiting: AtomicBool,
    interrupted: AtomicBool,
}

/// What a session remembers when its statement starts, to know at its end whether a KILL came between.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KillMark {
    kills: u32,
    pending: bool,
}

impl Entry {
    pub(crate) fn set_server(&self, id: u32) {
        self.server.store(id, Ordering::SeqCst);
        self.away.store(false, Ordering::SeqCst);
    }

    /// It has given its connection away, and needs none before its next statement.
    pub(crate) fn set_away(&self) {
        self.server.store(0, Ordering::SeqCst);
        self.away.store(true, Ordering::SeqCst);
    }

    /// A KILL of one that has given its connection away: true when it is one. `whole`: it ends, as soon as it looks.
    pub(crate) fn kill_away(&self, whole: bool) -> bool {
        let is_away = self.away.load(Ordering::SeqCst);
        self.doomed.fetch_or(is_away && whole, Ordering::SeqCst);
        is_away
    }

    pub(crate) fn server(&self) -> Option<u32> {
        Some(self.server.load(Ordering::SeqCst)).filter(|id| *id != 0)
    }

    /// Where the client comes from; `None` for a unix socket.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A load balancer says for whom it made the connection.
    pub(crate) fn announce(&self, client: SocketAddr) {
        *self.peer.lock().unwrap_or_else(PoisonError::into_inner) = Some(client);
    }

    /// Whose numbers it counts for.
    pub(crate) fn account(&self) -> u16 {
        self.account.load(Ordering::Relaxed)
    }

    pub(crate) fn set_account(&self, account: u16) {
        self.account.store(account, Ordering::Relaxed);
    }

    /// A connection to a replica is there, or it waits: whoever strikes its read, or interrupts it, wakes it by this.
    pub(crate) fn set_waker(&self, waker: &Waker) {
        *self.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }

    /// A read runs on a replica under this id; 0: no more.
    pub(crate) fn set_elsewhere(&self, id: u32) {
        self.struck.store(false, Ordering::SeqCst);
        self.elsewhere.store(id, Ordering::SeqCst);
    }

    /// A read waits until it may go to a replica: a KILL that the primary allows meanwhile ends the wait.
    pub(crate) fn waits_elsewhere(&self) {
        self.set_elsewhere(WAITS);
    }

    /// That read has gone to a replica, and runs there under this id. What had struck it strikes it there.
    pub(crate) fn goes_elsewhere(&self, id: u32) {
        self.elsewhere.store(id, Ordering::SeqCst);
    }

    /// That read waits no more, and runs nowhere. True: it was struck.
    pub(crate) fn waits_no_more(&self) -> bool {
        self.elsewhere.store(0, Ordering::SeqCst);
        self.struck.swap(false, Ordering::SeqCst)
    }

    /// It was struck while it waits.
    pub(crate) fn is_struck(&self) -> bool {
        self.struck.load(Ordering::SeqCst)
    }

    /// True while a KILL is on its way to the primary.
    pub(crate) fn is_being_killed(&self) -> bool {
        self.pending.load(Ordering::SeqCst) > 0
    }

    /// A KILL was allowed by the primary, which does not run this session's read: the session sees to it.
    pub(crate) fn strike(&self) {
        if self.elsewhere.load(Ordering::SeqCst) == 0 {
            return;
        }
        self.struck.store(true, Ordering::SeqCst);
        self.wake();
    }

    fn wake(&self) {
        let waker = self.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = &*waker {
            waker.wake_by_ref();
        }
    }

    /// The same for a client that only reads, with its connection if that is killed as a `whole`.
    pub(crate) fn strike_whole(&self, whole: bool) {
        self.doomed.fetch_or(whole, Ordering::SeqCst);
        self.strike();
    }

    /// The id on the replica under which the read is to be killed, once.
    pub(crate) fn take_strike(&self) -> Option<u32> {
        let is_struck =
            self.struck.load(Ordering::Relaxed) && self.struck.swap(false, Ordering::SeqCst);
        is_struck
            .then(|| self.elsewhere.load(Ordering::SeqCst))
            .filter(|id| *id != 0)
    }

    pub(crate) fn set_user(&self, user: Arc<[u8]>) {
        *self.user.lock().unwrap_or_else(PoisonError::into_inner) = Some(user);
    }

    pub(crate) fn is_user(&self, user: &[u8]) -> bool {
        let own = self.user.lock().unwrap_or_else(PoisonError::into_inner);
        own.as_deref().unwrap_or_default() == user
    }

    pub(crate) fn mark(&self) -> KillMark {
        KillMark {
            kills: self.kills.load(Ordering::SeqCst),
            pending: self.pending.load(Ordering::SeqCst) > 0,
        }
    }

    /// True when a KILL was under way at any time since `mark`.
    pub(crate) fn was_killed_since(&self, mark: KillMark) -> bool {
        mark.pending || self.kills.load(Ordering::SeqCst) != mark.kills
    }

    /// True when somebody killed its connection, not only its statement.
    pub(crate) fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::SeqCst)
    }

    /// True when a KILL was ever sent for it and not refused, or is on its way.
    pub(crate) fn was_ever_killed(&self) -> bool {
        self.kills.load(Ordering::SeqCst) != 0
            || self.pending.load(Ordering::SeqCst) != 0
            || self.is_doomed()
    }

    /// The session waits; [`Self::interrupt`] ends that while the guard lives.
    pub(crate) fn wait(self: &Arc<Self>) -> Waiting {
        self.interrupted.store(false, Ordering::SeqCst);
        self.waiting.store(true, Ordering::SeqCst);
        Waiting(Arc::clone(self))
    }

    /// Interrupts the session if it waits.
    pub(crate) fn interrupt(&self) -> bool {
        let waiting = self.waiting.load(Ordering::SeqCst);
        if waiting {
            self.interrupted.store(true, Ordering::SeqCst);
            self.wake();
        }
        waiting
    }
}

/// See [`Entry::wait`].
pub(crate) struct Waiting(Arc<Entry>);

impl Waiting {
    /// Returns when the session was interrupted.
    pub(crate) async fn interrupted(&self) {
        poll_fn(|cx| {
            // Why first: who sets the flag between the two lines wakes it.
            self.0.set_waker(cx.waker());
            if self.0.interrupted.load(Ordering::SeqCst) {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        })
        .await;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.store(false, Ordering::SeqCst);
    }
}

/// A KILL on its way to a session; dropping it without [`Killing::refused`] means it was done.
pub(crate) struct Killing(Arc<Entry>);

impl Killing {
    /// `whole`: it ends the connection, not only the statement.
    pub(crate) fn start(target: Arc<Entry>, whole: bool) -> Self {
        target.doomed.fetch_or(whole, Ordering::SeqCst);
        target.pending.fetch_add(1, Ordering::SeqCst);
        target.kills.fetch_add(1, Ordering::SeqCst);
        Self(target)
    }

    /// The primary's server did it; a replica may have to do it, too.
    pub(crate) fn done(self) {
        self.0.strike();
    }

    /// The server did not do it.
    pub(crate) fn refused(self) {
        self.0.kills.fetch_sub(1, Ordering::SeqCst);
        self.0.doomed.store(false, Ordering::SeqCst);
    }
}

impl Drop for Killing {
    fn drop(&mut self) {
        self.0.pending.fetch_sub(1, Ordering::SeqCst);
        // Why: a read may wait for that.
        if self.0.elsewhere.load(Ordering::SeqCst) == WAITS {
            self.0.wake();
        }
    }
}

/// All sessions of a gateway.
#[derive(Debug)]
pub(crate) struct Registry {
    next: AtomicU32,
    sessions: Mutex<HashMap<u32, Arc<Entry>>>,
}

impl Default for Registry {
    /// Ids begin anywhere: those of an old process, whose connections go on beside this one's, are others.
    fn default() -> Self {
        Self {
            next: AtomicU32::new(getrandom::u32().unwrap_or(0)),
            sessions: Mutex::default(),
        }
    }
}

impl Registry {
    /// A new session.
    pub(crate) fn add(&self, peer: Option<SocketAddr>, lane: usize, manner: Manner) -> Arc<Entry> {
        let id = OURS | (self.next.fetch_add(1, Ordering::Relaxed).wrapping_add(1) & (OURS - 1));
        let entry = Arc::new(Entry {
            id,
            peer: Mutex::new(peer),
            lane,
            manner,
            account: AtomicU16::new(OTHER),
            server: AtomicU32::new(0),
            elsewhere: AtomicU32::new(0),
            struck: AtomicBool::new(false),
            waker: Mutex::default(),
            user: Mutex::default(),
            kills: AtomicU32::new(0),
            pending: AtomicU32::new(0),
            doomed: AtomicBool::new(false),
            away: AtomicBool::new(false),
            waiting: AtomicBool::new(false),
            interrupted: AtomicBool::new(false),
        });
        self.lock().insert(id, Arc::clone(&entry));
        entry
    }

    pub(crate) fn remove(&self, id: u32) {
        self.lock().remove(&id);
    }

    /// The session with this id, ours or the primary's.
    pub(crate) fn find(&self, id: u64) -> Option<Arc<Entry>> {
        let id = u32::try_from(id).ok()?;
        let sessions = self.lock();
        let ours = sessions.get(&id);
        // Why not those that only read: their ids are another server's.
        let is_it = |entry: &&Arc<Entry>| entry.server() == Some(id) && !entry.manner.reads_only;
        ours.or_else(|| sessions.values().find(is_it)).cloned()
    }

    /// The session that was greeted with this id.
    pub(crate) fn greeted_with(&self, id: u64) -> Option<Arc<Entry>> {
        let id = u32::try_from(id).ok()?;
        self.lock().get(&id).cloned()
    }

    /// How many clients only read.
    pub(crate) fn readers(&self) -> u64 {
        let sessions = self.lock();
        let readers = sessions.values().filter(|entry| entry.manner.reads_only);
        readers.count() as u64
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u32, Arc<Entry>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Arc<Entry> {
        Registry::default().add(None, 0, Manner::default())
    }

    #[test]
    fn kill_when_the_read_waits_or_has_just_gone_elsewhere_strikes_it() {
        let entry = entry();
        let kill = || Killing::start(Arc::clone(&entry), false);
        entry.waits_elsewhere();
        let killing = kill();
        assert!(entry.is_being_killed() && !entry.is_struck());
        killing.done();
        assert!(!entry.is_being_killed() && entry.is_struck());
        entry.goes_elsewhere(7);
        assert_eq!(entry.take_strike(), Some(7), "it is to be killed there");
        entry.waits_elsewhere();
        kill().done();
        assert!(entry.waits_no_more());
        assert!(!entry.is_struck(), "once");
    }

    #[test]
    fn kill_when_it_is_refused_or_nothing_waits_strikes_nothing() {
        let entry = entry();
        Killing::start(Arc::clone(&entry), false).done();
        entry.waits_elsewhere();
        assert!(!entry.is_struck());
        Killing::start(Arc::clone(&entry), false).refused();
        assert!(!entry.waits_no_more());
        Killing::start(Arc::clone(&entry), false).done();
        assert!(!entry.is_struck());
    }
}
