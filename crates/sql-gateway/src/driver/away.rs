//! Clients that are idle do without a connection to a server, where that is switched on: thousands of them share a few.

use std::sync::Arc;
use std::time::Duration;

use super::client::Client;
use crate::pool::Identity;
use crate::reactor::{sleep, wake_all};
use crate::service::Shared;

/// Not more often than this is looked for idle clients.
const SHORTEST: Duration = Duration::from_millis(10);

/// Lets all clients of this thread look, from time to time, whether they have been idle for long.
pub(crate) async fn wake_idle(shared: Arc<Shared>) {
    let idle = shared.config.pool.idle_clients;
    if idle.is_zero() || !shared.config.pool.enabled {
        return;
    }
    loop {
        sleep((idle / 2).max(SHORTEST)).await;
        wake_all();
    }
}

impl Client {
    /// It is idle: others may have its connection, if it can have another later.
    pub(super) fn part(&mut self) {
        let identity = Identity::of(&self.login.user, self.entry.peer(), &self.credential);
        let is_killed = self.entry.was_ever_killed();
        if identity.is_none() || is_killed || !self.shared.config.pool.enabled {
            // Looked at again after the next statement.
            return self.link.is_not_idle();
        }
        self.link.leave();
        self.give_back();
        self.link.session.part();
        self.entry.set_away();
    }
}
