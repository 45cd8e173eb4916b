//! Waiting: everything that may make the loop look again, in one place.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::actor::Actor;
use crate::shared::Shared;
use crate::slot::Slot;

/// The sources of news.
pub(crate) struct Signals {
    ledger: watch::Receiver<Option<ledger::Record>>,
    admissions: watch::Receiver<u64>,
    upstream: Option<watch::Receiver<u64>>,
}

impl Signals {
    pub(crate) fn new(shared: &Arc<Shared>, actor: &Actor) -> Self {
        Self {
            ledger: shared.scribe.register().watch(),
            admissions: actor.admissions.changes(),
            upstream: actor.upstream.as_ref().map(|upstream| upstream.changes()),
        }
    }

    /// Returns when there is news, or `tick` has passed.
    pub(crate) async fn wait(&mut self, shared: &Shared, slot: &mut Slot, tick: Duration) {
        tokio::select! {
            () = shared.board.news.notified() => {}
            () = shared.stirred.notified() => {}
            () = changed(Some(&mut self.ledger)) => {}
            () = changed(Some(&mut self.admissions)) => {}
            () = changed(self.upstream.as_mut()) => {}
            () = slot.changed() => {}
            () = tokio::time::sleep(tick) => {}
        }
    }
}

/// A channel whose sender is gone never has news.
pub(crate) async fn changed<T>(channel: Option<&mut watch::Receiver<T>>) {
    if let Some(channel) = channel
        && channel.changed().await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}
