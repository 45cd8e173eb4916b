//! How many connections to servers an account has, on all threads together, and who waits for one more, in the order in
//! which they came. An account here is a user name.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The counts of one gateway.
#[derive(Debug)]
pub(crate) struct Quotas {
    /// Connections an account may have; 0: as many as it likes.
    limit: usize,
    users: Mutex<HashMap<Arc<[u8]>, User>>,
    total: AtomicUsize,
}

#[derive(Debug, Default)]
struct User {
    live: usize,
    next: u64,
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    number: u64,
    lane: usize,
    grant: oneshot::Sender<Grant>,
}

/// What a waiter gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Grant {
    /// It may make a connection.
    Slot,
    /// A connection waits on the shelf of its thread.
    Look,
}

/// A place for a connection, or in the queue.
#[derive(Debug)]
pub(crate) enum Place {
    /// One may be made.
    Slot(Slot),
    /// One lies on the shelf of this thread.
    Look,
    /// All are in use.
    Wait(Ticket),
}

/// One connection counts while this lives.
#[derive(Debug)]
pub(crate) struct Slot {
    quotas: Arc<Quotas>,
    /// `None`: nobody counts.
    user: Option<Arc<[u8]>>,
}

/// A place in the queue; given up when dropped.
#[derive(Debug)]
pub(crate) struct Ticket {
    quotas: Arc<Quotas>,
    user: Arc<[u8]>,
    lane: usize,
    number: u64,
    granted: oneshot::Receiver<Grant>,
}

impl Quotas {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit,
            users: Mutex::default(),
            total: AtomicUsize::new(0),
        })
    }

    /// A place for a connection of this user, for a client of the thread `lane`.
    pub(crate) fn ask(self: &Arc<Self>, user: &[u8], lane: usize) -> Place {
        if self.limit == 0 {
            return Place::Slot(self.slot(None));
        }
        let mut users = self.users();
        let known = users.get_key_value(user);
        let user = known.map_or_else(|| user.into(), |(user, _)| Arc::clone(user));
        let account = users.entry(Arc::clone(&user)).or_default();
        if account.live < self.limit && account.waiting.is_empty() {
            account.live += 1;
            return Place::Slot(self.slot(Some(user)));
        }
        let number = account.next;
        account.next += 1;
        let (grant, granted) = oneshot::channel();
        account.waiting.push_back(Waiting {
            number,
            lane,
            grant,
        });
        Place::Wait(Ticket {
            quotas: Arc::clone(self),
            user,
            lane,
            number,
            granted,
        })
    }

    /// True when somebody waits for a connection of this user: who comes now waits behind.
    pub(crate) fn has_waiters(&self, user: &[u8]) -> bool {
        self.limit != 0
            && self
                .users()
                .get(user)
                .is_some_and(|account| !account.waiting.is_empty())
    }

    /// A connection of this user is about to be put on the shelf of `lane`: true when it may stay there, for the next in the
    /// queue or because there is none; else its slot is worth more than itself.
    pub(crate) fn offer(&self, user: &[u8], lane: usize) -> bool {
        if self.limit == 0 {
            return true;
        }
        let mut users = self.users();
        let Some(account) = users.get_mut(user) else {
            return true;
        };
        loop {
            match account.waiting.front() {
                None => return true,
                Some(first) if first.lane != lane => return false,
                Some(_) => {}
            }
            let first = account.waiting.pop_front();
            if first.is_some_and(|first| first.grant.send(Grant::Look).is_ok()) {
                return true;
            }
        }
    }

    /// Connections of all users.
    pub(crate) fn total(&self) -> usize {
        self.total.load(Ordering::Relaxed)
    }

    fn slot(self: &Arc<Self>, user: Option<Arc<[u8]>>) -> Slot {
        self.total.fetch_add(1, Ordering::Relaxed);
        Slot {
            quotas: Arc::clone(self),
            user,
        }
    }

    /// A slot is free: for the next in the queue, or for whoever comes.
    fn free(&self, user: &[u8]) {
        let mut users = self.users();
        let Some(account) = users.get_mut(user) else {
            return;
        };
        while let Some(first) = account.waiting.pop_front() {
            if first.grant.send(Grant::Slot).is_ok() {
                return;
            }
        }
        account.live = account.live.saturating_sub(1);
        if account.live == 0 {
            users.remove(user);
        }
    }

    fn users(&self) -> MutexGuard<'_, HashMap<Arc<[u8]>, User>> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.quotas.total.fetch_sub(1, Ordering::Relaxed);
        if let Some(user) = &self.user {
            self.quotas.free(user);
        }
    }
}

impl Ticket {
    /// Whose connection it waits for.
    pub(crate) fn user(&self) -> String {
        String::from_utf8_lossy(&self.user).into_owned()
    }

    /// Waits for its turn. Whoever calls bounds the time.
    pub(crate) async fn turn(&mut self) -> Place {
        match (&mut self.granted).await {
            Ok(Grant::Slot) => Place::Slot(self.quotas.slot(Some(Arc::clone(&self.user)))),
            // The sender is gone only with the gateway.
            Ok(Grant::Look) | Err(_) => Place::Look,
        }
    }

    /// What it was to look for was gone: it is the first in the queue again.
    pub(crate) fn again(&mut self) {
        let (grant, granted) = oneshot::channel();
        self.granted = granted;
        let mut users = self.quotas.users();
        let account = users.entry(self.user.clone()).or_default();
        if account.live < self.quotas.limit {
            account.live += 1;
            // Cannot fail: its receiver is here.
            let _ = grant.send(Grant::Slot);
            return;
        }
        account.waiting.push_front(Waiting {
            number: self.number,
            lane: self.lane,
            grant,
        });
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.granted.close();
        let unused = self.granted.try_recv();
        if unused == Ok(Grant::Slot) {
            return self.quotas.free(&self.user);
        }
        let mut users = self.quotas.users();
        if let Some(account) = users.get_mut(&self.user) {
            account
                .waiting
                .retain(|waiting| waiting.number != self.number);
            if account.live == 0 && account.waiting.is_empty() {
                users.remove(&self.user);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(place: Place) -> Slot {
        match place {
            Place::Slot(slot) => slot,
            other => panic!("{other:?}"),
        }
    }

    fn ticket(place: Place) -> Ticket {
        match place {
            Place::Wait(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn slots_when_all_are_taken_are_given_on_in_the_order_of_asking() {
        let quotas = Quotas::new(2);
        let first = slot(quotas.ask(b"app", 0));
        let second = slot(quotas.ask(b"app", 1));
        let _other = slot(quotas.ask(b"other", 0));
        let mut one = ticket(quotas.ask(b"app", 0));
        let mut two = ticket(quotas.ask(b"app", 1));
        drop(first);
        let held = slot(one.turn().await);
        assert!(two.granted.try_recv().is_err());
        // Who comes now stands behind `two`.
        let three = ticket(quotas.ask(b"app", 0));
        drop(three);
        drop(second);
        drop(slot(two.turn().await));
        drop((held, one, two));
        assert_eq!(quotas.total(), 1);
        assert_eq!(quotas.users().len(), 1, "nothing is kept of who has none");
    }

    #[tokio::test]
    async fn slot_when_it_comes_to_one_who_has_gone_goes_to_the_next() {
        let quotas = Quotas::new(1);
        let only = slot(quotas.ask(b"app", 0));
        let one = ticket(quotas.ask(b"app", 0));
        let mut two = ticket(quotas.ask(b"app", 0));
        drop(only);
        drop(one);
        drop(slot(two.turn().await));
        drop(two);
        assert!(!quotas.has_waiters(b"app"));
        drop(slot(quotas.ask(b"app", 0)));
    }

    #[tokio::test]
    async fn connection_when_the_next_waits_on_its_thread_is_kept_for_it_else_given_up() {
        let quotas = Quotas::new(1);
        assert!(quotas.offer(b"app", 0));
        let only = slot(quotas.ask(b"app", 0));
        assert!(quotas.offer(b"app", 0));
        let mut here = ticket(quotas.ask(b"app", 0));
        let there = ticket(quotas.ask(b"app", 1));
        assert!(quotas.offer(b"app", 0));
        assert!(matches!(here.turn().await, Place::Look));
        assert!(!quotas.offer(b"app", 0), "the next is on another thread");
        // Somebody else took what was there.
        here.again();
        drop(only);
        drop(slot(here.turn().await));
        drop((here, there));
        assert_eq!(quotas.total(), 0);
    }

    #[test]
    fn limit_when_it_is_0_makes_nobody_wait() {
        let quotas = Quotas::new(0);
        let slots: Vec<_> = (0..100).map(|_| slot(quotas.ask(b"app", 0))).collect();
        assert_eq!(quotas.total(), 100);
        drop(slots);
        assert_eq!(quotas.total(), 0);
    }
}
