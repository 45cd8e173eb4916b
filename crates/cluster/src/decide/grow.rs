//! Taking replicas into the in-sync set. Into an empty set: admit it as sync, switch semi-sync on,
//! note the end of the binlog, wait until it holds that, and only then swap. Into a set that has
//! members: swap first, admit it as sync after.

use super::{Decision, shrink};
use crate::{
    Action, Applying, Document, EndOf, Grow, Intent, Mark, Mode, NodeName, Reason, Receiving,
    Report, Running, View,
};

/// The next step, when there is anybody to take in.
pub(super) fn decide(view: &View, document: &Document, running: &Running) -> Option<Decision> {
    if view.memory.grow.is_some() {
        return first_member(view, document, running);
    }
    if view.now < view.memory.regrow || view.memory.handover.is_some() {
        return None;
    }
    let (node, report) = view
        .near_data_peers(document)
        .filter(|(node, _)| !document.in_sync.contains_key(*node))
        .filter_map(|(node, _)| Some((node, view.fresh(node)?)))
        .find(|(node, report)| is_ready(view, document, node, report))?;
    let (node, stamp) = (node.clone(), report.stamp);
    if document.in_sync.is_empty() {
        let epoch = document.epoch;
        let admit = Action::Admit {
            node: node.clone(),
            epoch,
            mode: Mode::Sync,
            stamp,
        };
        let actions = vec![
            Action::BeginGrow {
                node: node.clone(),
                stamp,
            },
            admit,
        ];
        return Some(Decision::steps(actions, Reason::GrowWaits { node }));
    }
    let mut next = document.bumped();
    next.in_sync.insert(node.clone(), stamp);
    Some(Decision::swap(next, Intent::Grow, Reason::Grows { node }))
}

/// Connected async in this epoch and caught up.
fn is_ready(view: &View, document: &Document, node: &NodeName, report: &Report) -> bool {
    let Some(running) = report.server.running() else {
        return false;
    };
    let connected = view.admissions.get(node).is_some_and(|admission| {
        admission.connected && admission.epoch == document.epoch && admission.stamp == report.stamp
    });
    let follows = running
        .source
        .as_ref()
        .is_some_and(|source| source.node == view.me && source.epoch == document.epoch);
    connected
        && follows
        // A node that may still be started destructively vouches for nothing.
        && report.mark == Mark::Clean
        && running.health.is_ok()
        && running.receiving == Receiving::Streaming
        && running.applying == Applying::Running
        && running.lag_ms.is_some_and(|ms| ms <= view.timing.caught_up)
}

/// True when the replica has not confirmed in time, or is not what it was.
pub(super) fn is_over(view: &View, grow: &Grow) -> bool {
    let late = view.now.saturating_sub(grow.since) >= view.timing.grow;
    let known = view.fresh(&grow.node);
    late || known.is_none_or(|report| report.stamp != grow.stamp)
}

fn first_member(view: &View, document: &Document, running: &Running) -> Option<Decision> {
    let grow = view.memory.grow.as_ref()?;
    let node = grow.node.clone();
    // By now it has been cut and semi-sync is off again: the plain duties saw to that, in this order.
    if is_over(view, grow) {
        let reason = Reason::GrowGivenUp { node };
        return Some(Decision::one(Action::EndGrow, reason));
    }
    let connected = view
        .admissions
        .get(&node)
        .is_some_and(|a| a.connected && a.mode == Mode::Sync);
    if !connected || !running.semi_sync {
        return Some(Decision::wait(Reason::GrowWaits { node }));
    }
    let Some(end) = &grow.end else {
        return Some(Decision::one(
            Action::NoteEnd(EndOf::Grow),
            Reason::GrowWaits { node },
        ));
    };
    if !shrink::holds(view, document, &node, end) {
        return Some(Decision::wait(Reason::GrowWaits { node }));
    }
    let mut next = document.bumped();
    next.in_sync.insert(node.clone(), grow.stamp);
    Some(Decision::swap(next, Intent::Grow, Reason::Grows { node }))
}
