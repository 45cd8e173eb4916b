//! What a gateway has done, counted: for each account and route, and why each connection was opened and closed.
//!
//! `count.rs` a number and who may write it · `account.rs` which numbers an account has · `reason.rs` why connections
//! begin and end · `figures.rs` all of it added up, for status and metrics · `ticket.rs` connections while they last.
//! Each thread counts for itself in cells that no other thread writes; whoever asks adds them up.

mod account;
mod count;
mod figures;
mod reason;
mod ticket;

use std::array;
use std::time::Duration;

use account::{Cells, MAX_ACCOUNTS};
pub(crate) use account::{Names, OTHER};
use count::Count;
pub use figures::{AccountFigures, Figures, RouteFigures};
pub(crate) use reason::{Closed, Left, Opened, Via};
pub(crate) use ticket::{Ticket, Visit};

use crate::session::{Side, Toll};

/// One thread's numbers.
pub(crate) struct Tally {
    accounts: Box<[Cells]>,
    came: [Count; Via::ALL.len()],
    left: [Count; Left::ALL.len()],
    opened: [Count; Opened::ALL.len()],
    closed: [Count; Closed::ALL.len()],
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            accounts: (0..=MAX_ACCOUNTS).map(|_| Cells::default()).collect(),
            came: array::from_fn(|_| Count::default()),
            left: array::from_fn(|_| Count::default()),
            opened: array::from_fn(|_| Count::default()),
            closed: array::from_fn(|_| Count::default()),
        }
    }
}

impl Tally {
    /// Commands of this account were answered; `time` for the last of them.
    pub(crate) fn answered(&self, account: u16, toll: &Toll, time: Duration) {
        let cells = self.cells(account);
        for (side, route) in cells.routes.iter().enumerate() {
            if toll.answered[side] | toll.failed[side] > 0 {
                route.answered.add(u64::from(toll.answered[side]));
                route.failed.add(u64::from(toll.failed[side]));
            }
        }
        let micros = time.as_secs() * 1_000_000 + u64::from(time.subsec_micros());
        cells.routes[route_of(toll.side)].micros.add(micros);
        if toll.replayed > 0 {
            cells.replayed.add(u64::from(toll.replayed));
        }
    }

    /// The gateway itself gave this account errors.
    pub(crate) fn refused(&self, account: u16, errors: u32) {
        self.cells(account).errors.add(u64::from(errors));
    }

    /// A statement or login of this account waited for a primary.
    pub(crate) fn held(&self, account: u16, micros: u64) {
        let cells = self.cells(account);
        cells.held.add(1);
        cells.held_micros.add(micros);
    }

    /// A statement of this account waited until a connection of the pool was free.
    pub(crate) fn waited_for_pool(&self, account: u16, micros: u64) {
        let cells = self.cells(account);
        cells.pool_waits.add(1);
        cells.pool_micros.add(micros);
    }

    /// A client was turned away before it had a task.
    pub(crate) fn turned_away(&self, via: Via, left: Left) {
        self.came[via as usize].add_shared(1);
        self.left[left as usize].add_shared(1);
    }

    fn cells(&self, account: u16) -> &Cells {
        let account = usize::from(account);
        self.accounts.get(account).unwrap_or(&self.accounts[0])
    }
}

/// Where the numbers of a side stand.
pub(crate) fn route_of(side: Side) -> usize {
    match side {
        Side::Primary => 0,
        Side::Replica => 1,
    }
}
