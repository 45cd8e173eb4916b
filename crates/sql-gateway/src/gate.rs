//! Which route counts, and who may go through: the greatest epoch wins; a hold stops what is new; what is open is
//! counted, so that a hold can wait for it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::route::Route;

/// What sessions look at.
#[derive(Clone, Debug, Default)]
pub(crate) struct GateState {
    /// The route in force.
    pub(crate) route: Arc<Route>,
    asked_hold: bool,
}

impl GateState {
    /// True when nothing new may start.
    pub(crate) fn held(&self) -> bool {
        self.asked_hold || self.route.hold || self.route.target.is_none()
    }

    /// True when a statement must wait. A hold lets open transactions go on; nothing goes on when nobody can have
    /// said for long that the route is true: a transaction's first read would show what is out of date.
    #[inline]
    pub(crate) fn shut(&self, in_transaction: bool) -> bool {
        (self.held() && !in_transaction) || self.route.lease.is_over()
    }

    /// True when a connection made for `route` still leads where it should: to this replica, or (`None`) to the primary.
    pub(crate) fn leads(&self, route: &Route, replica: Option<&str>) -> bool {
        let names = self.route.replicas.names();
        self.is_current(route) && replica.is_none_or(|node| names.iter().any(|name| name == node))
    }

    /// True when a connection made for `route` still leads to the primary.
    pub(crate) fn is_current(&self, route: &Route) -> bool {
        self.route.epoch == route.epoch
            && self.route.target.is_some()
            && self.route.target == route.target
    }
}

/// What is open on one thread. Why apart in memory: each thread writes to its own with every statement.
#[derive(Default)]
#[repr(align(128))]
struct Open(AtomicUsize);

/// The gate of one gateway.
pub(crate) struct Gate {
    state: watch::Sender<GateState>,
    /// By thread.
    open: Box<[Open]>,
    holding: AtomicBool,
    drained: Notify,
}

impl Gate {
    /// A gate for the clients of so many threads.
    pub(crate) fn new(threads: usize) -> Self {
        Self {
            state: watch::Sender::default(),
            open: (0..threads).map(|_| Open::default()).collect(),
            holding: AtomicBool::new(false),
            drained: Notify::new(),
        }
    }

    /// The route in force.
    pub(crate) fn route(&self) -> Arc<Route> {
        Arc::clone(&self.state.borrow().route)
    }

    /// As [`GateState::leads`].
    pub(crate) fn leads(&self, route: &Route, replica: Option<&str>) -> bool {
        self.state.borrow().leads(route, replica)
    }

    /// For a session to look at and wait on.
    pub(crate) fn watch(&self) -> watch::Receiver<GateState> {
        self.state.subscribe()
    }

    /// A route was announced; returns false when it is older than the one in force.
    pub(crate) fn announce(&self, route: &Route) -> bool {
        let mut fresh = true;
        self.state.send_if_modified(|state| {
            if route.epoch < state.route.epoch {
                fresh = false;
                return false;
            }
            if route.epoch > state.route.epoch {
                state.asked_hold = false;
                self.holding.store(false, Ordering::SeqCst);
            }
            let differs = *state.route != *route;
            state.route = Arc::new(route.clone());
            differs
        });
        fresh
    }

    /// Something starts on a thread: call before looking at the state, so that a hold either sees it or is seen by it.
    #[inline]
    pub(crate) fn enter(&self, thread: usize) {
        self.open[thread].0.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
    }

    /// Something that started on this thread ended.
    #[inline]
    pub(crate) fn leave(&self, thread: usize) {
        if self.open[thread].0.fetch_sub(1, Ordering::SeqCst) == 1
            && self.holding.load(Ordering::SeqCst)
        {
            self.drained.notify_waiters();
        }
    }

    /// What is open now.
    pub(crate) fn open(&self) -> usize {
        // Why a sum of different moments will do: what enters after a hold sees it, and leaves.
        let open = self.open.iter();
        open.map(|open| open.0.load(Ordering::SeqCst)).sum()
    }

    /// Holds what is new and waits until nothing is open, at most `limit`; returns what is still open.
    pub(crate) async fn hold(&self, limit: Duration) -> usize {
        self.holding.store(true, Ordering::SeqCst);
        self.state.send_modify(|state| state.asked_hold = true);
        fence(Ordering::SeqCst);
        let drained = async {
            loop {
                let changed = self.drained.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if self.open() == 0 {
                    return;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(limit, drained).await {
            // Why not counted again: what comes now is counted for the moment in which it sees the hold.
            Ok(()) => 0,
            Err(_) => self.open(),
        }
    }

    /// Ends a hold.
    pub(crate) fn release(&self) {
        self.holding.store(false, Ordering::SeqCst);
        self.state
            .send_if_modified(|state| std::mem::take(&mut state.asked_hold));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Target;

    fn route(epoch: u64, node: &str) -> Route {
        Route {
            epoch,
            target: Some(Target {
                node: node.to_owned(),
            }),
            hold: false,
            lease: crate::lease::Lease::default(),
            behind: crate::behind::Behind::default(),
            replicas: crate::replicas::Replicas::default(),
        }
    }

    #[test]
    fn an_older_route_when_announced_is_ignored() {
        let gate = Gate::new(1);
        assert!(gate.announce(&route(2, "b")));
        assert!(!gate.announce(&route(1, "a")));
        let state = gate.watch().borrow().clone();
        assert!(state.is_current(&route(2, "b")) && !state.is_current(&route(1, "a")));
    }

    #[tokio::test]
    async fn a_hold_when_something_is_open_waits_for_it_or_for_the_limit() {
        let gate = Arc::new(Gate::new(2));
        gate.announce(&route(1, "a"));
        gate.enter(1);
        assert_eq!(gate.hold(Duration::from_millis(20)).await, 1);
        assert!(gate.watch().borrow().held());
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.hold(Duration::from_secs(10)).await }
        });
        gate.leave(1);
        assert_eq!(waiting.await.unwrap(), 0);
        gate.announce(&route(2, "b"));
        assert!(!gate.watch().borrow().held(), "a greater epoch releases");
    }
}
