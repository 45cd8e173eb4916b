//! What the gateway and what it carries go by. In the agent it comes from the keeper's picture; in an old process,
//! whose connections go on after an upgrade, from the agent that took over (`handover/remain.rs`).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use cluster::{Epoch, NodeName};
use keeper::Picture;
use sql_gateway::Progress;
use tokio::sync::watch;

use super::node::Node;
use super::replica;

/// Where statements go, and what is asked of this node's gateway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Guide {
    /// The epoch; 0 before the ledger was read.
    pub(super) epoch: Epoch,
    /// The primary, if it takes writes.
    pub(super) primary: Option<NodeName>,
    /// New transactions are to be held.
    pub(super) hold: bool,
    /// Reads are not answered later than that. `None`: without an end.
    pub(super) fresh_until: Option<Instant>,
    /// The sequence number behind which the epoch began.
    pub(super) began: u64,
    /// The epoch in which its primary asks gateways to hold.
    pub(super) asked: Option<Epoch>,
    /// Nodes that have been silent for the suspicion time.
    pub(super) silent: BTreeSet<NodeName>,
    /// Who follows the primary in this epoch, and how far it is.
    pub(super) replicas: Vec<(NodeName, Progress)>,
    /// The epoch in which this node's server answers reads as a replica.
    pub(super) reads: Option<Epoch>,
    /// Whoever tells this is about to end.
    pub(super) ends: bool,
}

impl Guide {
    /// What a picture says.
    pub(super) fn of(picture: &Picture) -> Self {
        let (epoch, primary, hold) = picture.route();
        let view = &picture.view;
        let silent = view.peers.keys().filter(|node| {
            let age = view.age(node);
            age.is_some_and(|ms| ms >= view.timing.suspicion)
        });
        Self {
            epoch,
            primary,
            hold,
            fresh_until: picture.fresh_until,
            began: began(picture, epoch),
            asked: asked(picture),
            silent: silent.cloned().collect(),
            replicas: replica::all(view),
            reads: Some(epoch).filter(|epoch| replica::serves(view, *epoch)),
            ends: false,
        }
    }

    /// Nothing passes, and connections to the primary stay, if it was known in this epoch.
    pub(super) fn wait_for(&mut self, before: &Self, now: Instant) {
        if self.epoch == before.epoch && self.primary.is_none() {
            self.primary.clone_from(&before.primary);
            self.fresh_until = Some(now);
        }
    }
}

/// Keeps the node's guide up to date until it is told to stop.
pub(super) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) -> Result<(), String> {
    let mut pictures = node.picture.subscribe();
    let mut wakes_since = None;
    loop {
        let picture = pictures.borrow_and_update().clone();
        if let Some(picture) = picture {
            let mut guide = Guide::of(&picture);
            let now = Instant::now();
            if is_waking(&picture, guide.epoch) {
                let since = *wakes_since.get_or_insert(now);
                let patience = Duration::from_millis(picture.view.timing.suspicion);
                if now.duration_since(since) < patience {
                    guide.wait_for(&node.guide.borrow(), now);
                }
            } else {
                wakes_since = None;
            }
            tell(&node, guide);
        }
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            changed = pictures.changed() => changed.map_err(|error| error.to_string())?,
        }
    }
}

/// The primary's agent, not this one, has just woken: its server goes on, and it has not yet confirmed in the ledger that
/// it still is the primary.
fn is_waking(picture: &Picture, epoch: Epoch) -> bool {
    let view = &picture.view;
    let primary = view.document.as_ref().map(|document| &document.primary);
    let report = primary.filter(|primary| **primary != view.me);
    let report = report.and_then(|primary| view.fresh(primary));
    report.is_some_and(|report| {
        report.serving.is_none() && report.confirmed != Some(epoch) && !report.steps_down
    })
}

/// From now on this holds, unless the agent is about to end.
pub(super) fn tell(node: &Node, mut guide: Guide) {
    node.guide.send_if_modified(|old| {
        guide.ends |= old.ends;
        let is_new = *old != guide;
        *old = guide;
        is_new
    });
}

/// The present epoch, if its primary asks gateways to hold in it.
fn asked(picture: &Picture) -> Option<Epoch> {
    let view = &picture.view;
    let document = view.document.as_ref()?;
    let is_own = document.primary == view.me && view.memory.handover.is_some();
    let told = view
        .fresh(&document.primary)
        .and_then(|report| report.holding);
    (is_own || told == Some(document.epoch)).then_some(document.epoch)
}

/// Where this epoch began: what is sent in it commits behind that.
fn began(picture: &Picture, epoch: Epoch) -> u64 {
    let document = picture.view.document.as_ref();
    let cut = document.and_then(|document| document.cuts.iter().find(|cut| cut.epoch == epoch));
    cut.map_or(0, |cut| cut.position.sequence(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guide_when_the_primarys_agent_wakes_then_nothing_passes_and_its_connections_stay() {
        let now = Instant::now();
        let told = |epoch, primary: Option<&str>| Guide {
            epoch,
            primary: primary.map(|name| name.parse().unwrap()),
            ..Guide::default()
        };
        let before = told(4, Some("a"));
        let mut wakes = told(4, None);
        wakes.wait_for(&before, now);
        assert_eq!(
            (&wakes.primary, wakes.fresh_until),
            (&before.primary, Some(now))
        );
        for mut other in [told(5, None), told(4, Some("a"))] {
            let unchanged = other.clone();
            other.wait_for(&before, now);
            assert_eq!(other, unchanged);
        }
    }
}
