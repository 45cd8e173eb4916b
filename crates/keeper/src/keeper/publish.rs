//! What the loop tells: the picture for this node, and the sign for others that something is new.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use cluster::{Millis, NodeName, Reason};

use super::{Keeper, PUBLISH_PACE};
use crate::gossip;
use crate::picture::Picture;

/// Pause between two looks at a server when all is well.
const REST: Duration = Duration::from_millis(250);

/// Longest time between two looks of a keeper that is not frozen, in milliseconds.
const SLEPT: Millis = 700;

/// Who answered, and when it was asked.
pub(super) struct Contacts {
    round_trips: BTreeMap<NodeName, Millis>,
    noted: Millis,
    awake_since: Millis,
}

impl Contacts {
    pub(super) fn new(now: Millis) -> Self {
        Self {
            round_trips: BTreeMap::new(),
            noted: now,
            awake_since: now,
        }
    }

    pub(super) fn note(&mut self, round_trips: BTreeMap<NodeName, Millis>, now: Millis) {
        if now.saturating_sub(self.noted) > SLEPT {
            self.awake_since = now;
        }
        (self.round_trips, self.noted) = (round_trips, now);
    }
}

impl Keeper {
    pub(super) fn publish(&mut self) {
        let now = self.view.now;
        let reach = self.shared.scribe.register().reach();
        let margin = self.shared.board.margin();
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
                        self.contacts
                            .round_trips
                            .get(node)
                            .is_some_and(|at| now.saturating_sub(*at) < suspicion)
                    })
            });
        let fresh_until = self.fresh_until(&reach);
        let mut report = self.view.report();
        report.document = None;
        let report = Arc::new(report);
        self.picture.send_modify(|picture| {
            *picture = Arc::new(Picture {
                view: self.view.clone(),
                reason: self.extras.reason.clone(),
                cluster: self.cluster.clone(),
                reach,
                extras: self.extras.clone(),
                others: margin.extras,
                in_contact,
                fresh_until,
                generation: picture.generation + 1,
                report: Arc::clone(&report),
            });
        });
        self.gossip.follow(&self.shared, &self.picture.subscribe());
        let gist = crate::board::without_time((*report).clone());
        let rev = self.view.document.as_ref().map(|document| document.rev);
        let telling = Some((gist, rev));
        if self.told != telling {
            self.told = telling;
            gossip::spread(&self.shared);
        }
    }

    /// A member that has not promised was asked then, and does not promise within the suspicion time after
    /// that; without its promise nobody takes over. Others vouch only while the ledger is reached, and not just
    /// after this agent slept: they may not have heard yet who took over meanwhile.
    fn fresh_until(&self, reach: &ledger::Reach) -> Option<Instant> {
        let document = self.view.document.as_ref()?;
        if document.primary != self.view.me || document.in_sync.is_empty() {
            return None;
        }
        let suspicion = self.view.timing.suspicion;
        let awake = self.view.now.saturating_sub(self.contacts.awake_since) >= suspicion;
        let counts = |node: &NodeName| {
            let report = self.view.peers.get(node).map(|peer| &peer.report);
            let promised = report.is_none_or(|report| report.promise.is_some());
            let is_member = document.in_sync.contains_key(node) && !promised;
            is_member || (reach.reachable && awake)
        };
        let answered = self.contacts.round_trips.iter();
        let newest = answered.filter(|(node, _)| counts(node)).map(|(_, at)| *at);
        let until = newest.max().unwrap_or(0) + suspicion;
        Some(self.shared.clock.instant(until))
    }

    /// How long until an illness of the server is believed, if it seems ill.
    fn until_ill(&self) -> Option<Duration> {
        let running = self.view.server.running();
        let left = self
            .view
            .timing
            .ill
            .checked_sub(self.view.server_age())
            .filter(|left| *left > 0 && running.is_some_and(|running| !running.health.is_ok()));
        left.map(|ms| Duration::from_millis(ms).min(REST))
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
            return self.until_ill().unwrap_or(REST);
        }
        // Why it slows down: what has not come in two seconds may not come for hours.
        if self.view.now.saturating_sub(self.reason_since) > 2_000 {
            return PUBLISH_PACE;
        }
        gossip::ask_all(&self.shared);
        Duration::from_millis(10)
    }
}
