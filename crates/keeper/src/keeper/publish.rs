//! What the loop tells: the picture for this node, and the sign for others that something is new.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use cluster::Reason;

use super::{Keeper, PUBLISH_PACE};
use crate::gossip;
use crate::picture::Picture;

impl Keeper {
    pub(super) fn publish(&mut self) {
        let now = self.view.now;
        let reach = self.shared.scribe.register().reach();
        let posted = self.shared.board.read(None);
        let progress = self.actor.progress.lock();
        (progress.unwrap_or_else(PoisonError::into_inner)).clone_into(&mut self.extras.clone);
        let found = self.found.borrow().clone();
        (self.extras.warnings, self.extras.disabled_events) =
            (found.warnings, found.disabled_events);
        let suspicion = self.view.timing.suspicion;
        let in_sync = self
            .view
            .document
            .as_ref()
            .map(|document| &document.in_sync);
        let in_contact = reach.reachable
            || in_sync.is_none_or(|in_sync| {
                in_sync.is_empty()
                    || in_sync.keys().any(|node| {
                        posted
                            .round_trips
                            .get(node)
                            .is_some_and(|at| now.saturating_sub(*at) < suspicion)
                    })
            });
        self.picture.send_modify(|picture| {
            *picture = Arc::new(Picture {
                view: self.view.clone(),
                reason: self.extras.reason.clone(),
                cluster: self.cluster.clone(),
                reach,
                extras: self.extras.clone(),
                others: posted.extras,
                in_contact,
                generation: picture.generation + 1,
            });
        });
        self.gossip.follow(&self.shared, &self.picture.subscribe());
        let report = crate::board::without_time(self.view.report());
        let rev = self.view.document.as_ref().map(|document| document.rev);
        let telling = Some((report, rev));
        if self.told != telling {
            self.told = telling;
            gossip::spread(&self.shared);
        }
    }

    /// How soon to look again when nothing happens.
    pub(super) fn tick(&self) -> Duration {
        let Some(reason) = &self.reason else {
            return PUBLISH_PACE;
        };
        let at_rest = matches!(
            reason,
            Reason::Serves { .. }
                | Reason::ServesAlone
                | Reason::Replicates { .. }
                | Reason::Witness
                | Reason::NotAMember
        );
        if at_rest {
            return Duration::from_millis(250);
        }
        // Why it slows down: what has not come in two seconds may not come for hours.
        if self.view.now.saturating_sub(self.reason_since) > 2_000 {
            return PUBLISH_PACE;
        }
        gossip::ask_all(&self.shared);
        Duration::from_millis(10)
    }
}
