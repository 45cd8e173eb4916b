//! How others ask a running gateway for things: hold, release, figures.

use std::sync::Arc;
use std::time::Duration;

use crate::metrics::Stats;
use crate::service::Shared;
use crate::tally::Figures;

/// Answer to [`Handle::hold`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drained {
    /// Transactions and statements that were still open when the limit passed; 0 means all ended.
    pub open_transactions: usize,
}

/// A running gateway, from outside. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
}

impl Handle {
    /// Lets no new transaction or statement start, lets open transactions end, and returns when none is
    /// open or `limit` has passed. The hold stays until [`Handle::release`] or a route with a greater epoch.
    pub async fn hold(&self, limit: Duration) -> Drained {
        Drained {
            open_transactions: self.shared.gate.hold(limit).await,
        }
    }

    /// Ends a hold: what waited goes on.
    pub fn release(&self) {
        self.shared.gate.release();
    }

    /// What every account has done, and why connections were opened and closed.
    pub fn figures(&self) -> Figures {
        self.shared.figures()
    }

    /// Figures for status.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }
}
