//! Connections while they last: counted in when a ticket is taken, and out, with the reason, when it is dropped.

use std::sync::Arc;

use super::{Closed, Left, OTHER, Opened, Via, route_of};
use crate::service::Shared;
use crate::session::Side;

/// A connection to a server.
pub(crate) struct Ticket {
    shared: Arc<Shared>,
    lane: u16,
    account: u16,
    side: Side,
    closed: Closed,
}

impl Ticket {
    /// One was opened on this thread for an account.
    pub(crate) fn new(
        (shared, lane): (&Arc<Shared>, usize),
        account: u16,
        side: Side,
        why: Opened,
    ) -> Self {
        let tally = &shared.lanes[lane].tally;
        tally.opened[why as usize].add_shared(1);
        let cells = tally.cells(account);
        cells.routes[route_of(side)].connections.add_shared(1);
        Self {
            shared: Arc::clone(shared),
            lane: lane as u16,
            account,
            side,
            closed: Closed::ClientLeft,
        }
    }

    /// Why it will be closed; until this is called: because its client left.
    pub(crate) fn closes(&mut self, why: Closed) {
        self.closed = why;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let tally = &self.shared.lanes[usize::from(self.lane)].tally;
        tally.closed[self.closed as usize].add_shared(1);
        let cells = tally.cells(self.account);
        cells.routes[route_of(self.side)].connections.take_shared(1);
    }
}

/// A client's connection.
pub(crate) struct Visit {
    shared: Arc<Shared>,
    lane: usize,
    account: u16,
    left: Left,
}

impl Visit {
    /// One came.
    pub(crate) fn new(shared: &Arc<Shared>, lane: usize, via: Via) -> Self {
        let tally = &shared.lanes[lane].tally;
        tally.came[via as usize].add_shared(1);
        tally.cells(OTHER).clients.add_shared(1);
        Self {
            shared: Arc::clone(shared),
            lane,
            account: OTHER,
            left: Left::Shutdown,
        }
    }

    /// It has logged in.
    pub(crate) fn is(&mut self, account: u16) {
        let tally = &self.shared.lanes[self.lane].tally;
        tally.cells(self.account).clients.take_shared(1);
        tally.cells(account).clients.add_shared(1);
        self.account = account;
    }

    /// Why it ends; until this is called: because the gateway does.
    pub(crate) fn leaves(&mut self, why: Left) {
        self.left = why;
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        let tally = &self.shared.lanes[self.lane].tally;
        tally.left[self.left as usize].add_shared(1);
        tally.cells(self.account).clients.take_shared(1);
    }
}
