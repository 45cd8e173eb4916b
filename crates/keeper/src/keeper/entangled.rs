//! Apply that waits for itself and would for minutes, while a takeover or another source waits for it: see
//! [`mariadb::Server::is_apply_entangled`]. It is ended, and what is left is applied as after a restart.

use std::time::Duration;

use cluster::{Applying, Millis, Position, Receiving, Running};
use mariadb::Server;

use super::Keeper;

/// Apply that has not moved for so long is looked into, and so often. Why not at once: a long transaction is no fault, and
/// looking costs the server something.
const STANDS_AFTER: Millis = 1_000;
/// Between the two looks that must agree.
const AGAIN: Duration = Duration::from_millis(250);
const LOOK_LIMIT: Duration = Duration::from_secs(5);

/// Where apply stands, and since when.
pub(super) struct Standing {
    since: Millis,
    at: Position,
}

impl Keeper {
    /// Looks into apply that does not move although nothing more is received.
    pub(super) fn release_entangled_apply(&mut self) {
        let running = self.view.server.running();
        let Some(running) = running.filter(|running| is_waited_for(running)) else {
            self.standing = None;
            return;
        };
        let now = self.view.now;
        let standing = self.standing.as_ref();
        let since = standing.and_then(|it| (it.at == running.applied).then_some(it.since));
        if since.is_some_and(|since| now.saturating_sub(since) < STANDS_AFTER) {
            return;
        }
        self.standing = Some(Standing {
            since: now,
            at: running.applied.clone(),
        });
        if let (Some(_), Some(server)) = (since, self.actor.server.clone()) {
            tokio::spawn(async move {
                if let Err(error) = release(&server).await {
                    tracing::warn!(%error, "cannot find out why nothing is applied");
                }
            });
        }
    }
}

/// Nothing comes any more, and what has come is still to be applied.
fn is_waited_for(running: &Running) -> bool {
    running.replica_settings
        && !running.salvage
        && running.applying == Applying::Running
        && matches!(running.receiving, Receiving::Stopped | Receiving::Refused)
        && !running.is_drained()
}

async fn release(server: &Server) -> mariadb::Result<()> {
    if !server.is_apply_entangled(LOOK_LIMIT).await? {
        return Ok(());
    }
    tokio::time::sleep(AGAIN).await;
    if !server.is_apply_entangled(LOOK_LIMIT).await? {
        return Ok(());
    }
    tracing::warn!(
        "apply waits for the rest of a transaction that will not come: ends it, and applies what is left from the relay log"
    );
    server.leave_to_salvage()
}
