//! What the keeper publishes: one immutable picture for gateways, status and whoever else follows.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use cluster::{Epoch, Memory, Millis, NodeName, Report, View};
use serde::{Deserialize, Serialize};

use crate::Extras;

/// This node's belief, and what people want to know beside it.
#[derive(Clone, Debug)]
pub struct Picture {
    /// What the core decided from.
    pub view: View,
    /// The last decision's sentence.
    pub reason: String,
    /// The cluster's name.
    pub cluster: String,
    /// How the ledger is reached.
    pub reach: ledger::Reach,
    /// This node's own extras.
    pub extras: Extras,
    /// What the others' reports carried for people.
    pub others: BTreeMap<NodeName, Extras>,
    /// As primary with members: one of them answered, or the ledger did, within the suspicion time
    /// (counted from the question). Without it nothing fresh is served.
    pub in_contact: bool,
    /// As primary with members: until when no other can have taken over unseen, told again and again.
    /// Reads are not answered later than that. `None`: without an end.
    pub fresh_until: Option<Instant>,
    /// Grows with each publication.
    pub generation: u64,
    /// What the others are told, but for the document.
    pub(crate) report: Arc<Report>,
}

/// How far a clone has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CloneProgress {
    /// Whose data.
    pub from: NodeName,
    /// What is being done.
    pub stage: String,
    /// Bytes taken in.
    pub bytes: u64,
    /// About how many will come; 0: not known.
    pub total: u64,
}

impl Picture {
    /// Where statements go: the epoch, the primary if it takes writes, and whether new transactions
    /// are to be held for a planned change.
    pub fn route(&self) -> (Epoch, Option<NodeName>, bool) {
        let Some(document) = &self.view.document else {
            return (0, None, true);
        };
        let primary = &document.primary;
        if *primary == self.view.me {
            let serves = self.view.serving() == Some(document.epoch) && self.in_contact;
            return (
                document.epoch,
                serves.then(|| primary.clone()),
                self.hold(document.epoch),
            );
        }
        let serves = self
            .view
            .fresh(primary)
            .is_some_and(|report| report.serving == Some(document.epoch));
        (
            document.epoch,
            serves.then(|| primary.clone()),
            self.hold(document.epoch),
        )
    }

    /// What is left of it when nobody keeps it up any more: nobody is known to take writes.
    #[must_use]
    pub fn abandoned(&self) -> Self {
        let mut left = self.clone();
        left.view.peers.clear();
        left.view.memory = Memory::default();
        left.in_contact = false;
        left
    }

    fn hold(&self, epoch: Epoch) -> bool {
        let own = self.view.memory.handover.is_some();
        let primary = self
            .view
            .document
            .as_ref()
            .map(|document| &document.primary);
        let told = primary
            .and_then(|primary| self.view.fresh(primary))
            .is_some_and(|report| report.holding == Some(epoch));
        own || told
    }

    /// How long writes paused at the last change of primary, if it is known. The one that handed over knows it
    /// best, and its figure is the longer one.
    pub fn last_pause_ms(&self) -> Option<Millis> {
        let epoch = self.view.document.as_ref()?.epoch;
        let told = self
            .others
            .values()
            .chain([&self.extras])
            .filter_map(|extras| extras.pause);
        told.filter(|(of, _)| *of == epoch).map(|(_, ms)| ms).max()
    }

    /// True when any one server can be lost now and writes go on with nothing acknowledged lost.
    pub fn is_protected(&self) -> bool {
        let in_sync = self
            .view
            .document
            .as_ref()
            .is_some_and(|d| !d.in_sync.is_empty());
        in_sync && self.reach.reachable && self.reach.has_spare && self.route().1.is_some()
    }
}
