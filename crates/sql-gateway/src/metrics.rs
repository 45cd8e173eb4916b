//! What a gateway counts.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::registry::Entry;
use crate::route::Route;
use crate::service::Shared;
use crate::tally::Tally;

/// Counters of a gateway since it started, for status and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The epoch followed.
    pub epoch: u64,
    /// The primary followed; `None` while there is none.
    pub primary: Option<String>,
    /// Client connections now.
    pub connections: usize,
    /// Client connections ever accepted.
    pub connections_total: u64,
    /// Statements and logins waiting for a primary now.
    pub held: usize,
    /// Transactions open and statements in flight now.
    pub open_transactions: usize,
    /// Statements sent to servers.
    pub statements: u64,
    /// Of these: reads sent to replicas.
    pub reads_on_replicas: u64,
    /// Times a session was made again on another connection.
    pub moved: u64,
    /// Errors the gateway itself gave to clients.
    pub errors: u64,
    /// Connections to servers, in use and waiting for a client.
    pub backends: usize,
    /// Those that wait for a client.
    pub spare: usize,
    /// Times a client got a connection that had been another's.
    pub reused: u64,
    /// Times a client had to wait for a connection of its account.
    pub queued: u64,
    /// The longest time a statement or login waited and then went on.
    pub longest_hold: Duration,
}

/// The counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) connections: AtomicUsize,
    pub(crate) connections_total: AtomicU64,
    pub(crate) held: AtomicUsize,
    pub(crate) moved: AtomicU64,
    pub(crate) errors: AtomicU64,
    pub(crate) spare: AtomicUsize,
    pub(crate) reused: AtomicU64,
    pub(crate) queued: AtomicU64,
    longest_hold_us: AtomicU64,
}

impl Counters {
    /// A wait is over and what waited goes on.
    pub(crate) fn held_for(&self, waited: Duration) {
        let micros = u64::try_from(waited.as_micros()).unwrap_or(u64::MAX);
        self.longest_hold_us.fetch_max(micros, Ordering::Relaxed);
    }

    /// With what is counted elsewhere.
    pub(crate) fn stats(
        &self,
        route: &Route,
        backends: usize,
        (open_transactions, statements, reads_on_replicas): (usize, u64, u64),
    ) -> Stats {
        Stats {
            epoch: route.epoch,
            primary: route.target.as_ref().map(|target| target.node.clone()),
            connections: self.connections.load(Ordering::Relaxed),
            connections_total: self.connections_total.load(Ordering::Relaxed),
            held: self.held.load(Ordering::Relaxed),
            open_transactions,
            statements,
            reads_on_replicas,
            moved: self.moved.load(Ordering::Relaxed),
            errors: self.errors.load(Ordering::Relaxed),
            backends,
            spare: self.spare.load(Ordering::Relaxed),
            reused: self.reused.load(Ordering::Relaxed),
            queued: self.queued.load(Ordering::Relaxed),
            longest_hold: Duration::from_micros(self.longest_hold_us.load(Ordering::Relaxed)),
        }
    }
}

/// One more is held while this lives.
pub(crate) struct Held<'a> {
    counters: &'a Counters,
    tally: &'a Tally,
    account: u16,
    since: Instant,
}

impl<'a> Held<'a> {
    /// On this session's thread.
    pub(crate) fn start(shared: &'a Shared, entry: &Entry) -> Self {
        shared.counters.held.fetch_add(1, Ordering::Relaxed);
        Self {
            counters: &shared.counters,
            tally: shared.tally(entry),
            account: entry.account(),
            since: Instant::now(),
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.counters.held.fetch_sub(1, Ordering::Relaxed);
        let micros = u64::try_from(self.since.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.tally.held(self.account, micros);
    }
}
