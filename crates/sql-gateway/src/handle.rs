//! How others ask a running gateway for things: hold, release, figures.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::crew;
use crate::error::GatewayError;
use crate::lexicon::Lexicon;
use crate::metrics::Stats;
use crate::service::{Shared, unidentified_max};
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

    /// Follows another configuration without refusing anybody: addresses with their rules, sockets, `hold_max`,
    /// `max_connections` and `unidentified_max`; what else it says is not looked at. Connections that are there stay,
    /// also those of an address that is given up.
    ///
    /// # Errors
    /// An address or socket cannot be opened: then everything is as before.
    pub fn reconfigure(&self, config: &Config) -> Result<(), GatewayError> {
        let entrances = self.shared.doors.change(config)?;
        // Why before they open: nobody comes in by a new address without its rules.
        self.shared.limits.set(config);
        self.shared.doorstep.set_limit(unidentified_max(config));
        crew::admit(&self.shared, entrances);
        Ok(())
    }

    /// Copies of the listening sockets, for [`crate::Inherited`] in another process.
    ///
    /// # Errors
    /// There are no file descriptors left.
    pub fn lend(&self) -> io::Result<Vec<OwnedFd>> {
        self.shared.doors.lend()
    }

    /// Another process accepts at the listening sockets now: this gateway does so no more, and leaves their paths.
    /// Its connections go on.
    pub fn hand_over(&self) {
        self.shared.doors.hand_over();
    }

    /// What the database's names mean: to be told by whoever can read it. Reads are spread only while it is known.
    pub fn lexicon(&self) -> Arc<Lexicon> {
        Arc::clone(&self.shared.lexicon)
    }

    /// Figures for status.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }
}
