//! Going on without members that are lost. Cut all of them; note the end of the binlog; wait until
//! a remaining member holds it; one swap takes them out. Only then may semi-sync be switched off.

use std::collections::BTreeSet;

use wire::gtid::Position;

use super::Decision;
use crate::{
    Action, Applying, Document, Durability, EndOf, Intent, Loss, Mode, NodeName, Reason, Receiving,
    Server, Stamp, View,
};

/// The next step, when there is anything to shrink.
pub(super) fn decide(view: &View, document: &Document) -> Option<Decision> {
    let losses: Vec<(NodeName, Loss)> = document
        .in_sync
        .iter()
        .filter_map(|(node, stamp)| Some((node.clone(), loss(view, document, node, *stamp)?)))
        .collect();
    let cut = view
        .memory
        .shrink
        .as_ref()
        .map_or(BTreeSet::new(), |shrink| shrink.lost.clone());
    let lost: BTreeSet<_> = losses
        .iter()
        .map(|(node, _)| node.clone())
        .chain(cut.iter().cloned())
        .collect();
    if lost.is_empty() {
        return None;
    }
    let nobody_left = document.in_sync.keys().all(|node| lost.contains(node));
    // Why it empties the set when one has come back that cannot vouch: it can be grown again, and until
    // then nothing is acknowledged. The others may come back as they were, and are left the right to
    // take over.
    let beyond_return = losses.iter().any(|(_, loss)| loss.is_final());
    if nobody_left && document.durability == Durability::Strict && !beyond_return {
        return readmit(document, &cut);
    }
    let end = view.memory.shrink.as_ref().and_then(|s| s.end.as_ref());
    match end {
        Some(end) if cut == lost => Some(take_out(view, document, &lost, end)),
        _ => {
            let uncut = lost.difference(&cut).cloned();
            let mut actions: Vec<_> = uncut.map(Action::Cut).collect();
            actions.push(Action::NoteEnd(EndOf::Shrink(lost)));
            Some(Decision::steps(actions, Reason::Shrinks { lost: losses }))
        }
    }
}

/// With strict durability: says so when the primary is alone, by the ledger or in truth.
pub(super) fn strict(view: &View, document: &Document) -> Option<Decision> {
    let waits = document.durability == Durability::Strict && !leaves_a_member(view, document);
    waits.then(|| Decision::wait(Reason::StrictWaits))
}

/// True when not all members are lost.
pub(super) fn leaves_a_member(view: &View, document: &Document) -> bool {
    let cut = view.memory.shrink.as_ref().map(|shrink| &shrink.lost);
    document.in_sync.iter().any(|(node, stamp)| {
        let is_cut = cut.is_some_and(|cut| cut.contains(node));
        !is_cut && loss(view, document, node, *stamp).is_none()
    })
}

/// Gives a shrink up: those that were cut may connect again.
fn readmit(document: &Document, cut: &BTreeSet<NodeName>) -> Option<Decision> {
    let actions: Vec<_> = cut
        .iter()
        .filter_map(|node| Some((node.clone(), *document.in_sync.get(node)?)))
        .map(|(node, stamp)| Action::Admit {
            node,
            epoch: document.epoch,
            mode: Mode::Sync,
            stamp,
        })
        .collect();
    (!actions.is_empty()).then(|| Decision::steps(actions, Reason::StrictWaits))
}

fn take_out(
    view: &View,
    document: &Document,
    lost: &BTreeSet<NodeName>,
    end: &Position,
) -> Decision {
    let mut next = document.bumped();
    next.in_sync.retain(|node, _| !lost.contains(node));
    let mut left = next.in_sync.keys();
    if !next.in_sync.is_empty() && !left.any(|node| holds(view, document, node, end)) {
        return Decision::wait(Reason::ShrinkWaits { end: end.clone() });
    }
    let lost = lost
        .iter()
        .filter(|n| document.in_sync.contains_key(n))
        .cloned()
        .collect();
    Decision::swap(next, Intent::Shrink, Reason::GoesOnWithout { lost })
}

/// True when `node`, connected sync in this epoch with its present ids, has received up to `end`.
pub(super) fn holds(view: &View, document: &Document, node: &NodeName, end: &Position) -> bool {
    let Some(admission) = view.admissions.get(node) else {
        return false;
    };
    let Some(report) = view.fresh(node) else {
        return false;
    };
    let Some(running) = report.server.running() else {
        return false;
    };
    let follows = running.source.as_ref().is_some_and(|source| {
        source.node == view.me && source.epoch == document.epoch && source.mode == Mode::Sync
    });
    admission.connected
        && admission.mode == Mode::Sync
        && admission.stamp == report.stamp
        && follows
        && running.received.covers(end)
}

fn loss(view: &View, document: &Document, node: &NodeName, stamp: Stamp) -> Option<Loss> {
    if !document.members.contains_key(node) {
        return Some(Loss::NoLongerAMember);
    }
    let limit = view.timing.shrink;
    let admission = view.admissions.get(node);
    let connected = admission.is_some_and(|a| a.connected && a.mode == Mode::Sync);
    let apart = match admission {
        Some(admission) if !connected => view.now.saturating_sub(admission.since),
        _ => 0,
    };
    let Some(report) = view
        .fresh(node)
        .filter(|_| view.age(node).is_some_and(|ms| ms < limit))
    else {
        // Why the office counts when a node was never heard: a primary that has just taken over
        // gives its members the same time as one that has served for long.
        let ms = view.age(node).unwrap_or(apart);
        return (ms >= limit).then_some(Loss::Silent { ms });
    };
    if report.stamp != stamp {
        return Some(Loss::OtherIds);
    }
    match &report.server {
        Server::NoData => return Some(Loss::NoData),
        Server::Stopped => return Some(Loss::ServerDown),
        Server::Busy(_) if !connected => return Some(Loss::ServerDown),
        Server::Unseen | Server::Busy(_) => {}
        Server::Running(running) => {
            if !running.health.is_ok() {
                return Some(Loss::Ill(running.health.clone()));
            }
            if matches!(running.applying, Applying::Failed(_))
                || running.receiving == Receiving::Refused
            {
                return Some(Loss::ApplyFailed);
            }
            if let Some(ms) = running.lag_ms.filter(|ms| *ms >= view.timing.lag_limit) {
                return Some(Loss::Lags { ms });
            }
            let behind = view
                .written()
                .is_some_and(|end| !running.received.covers(end));
            let waiting = view.server.running().map_or(0, |own| own.waiting_ms);
            // Why also one that holds everything, after longer: its words do not arrive.
            let patience = if behind { 2 * limit } else { 5 * limit };
            if connected && waiting >= patience {
                return Some(Loss::TooSlow { ms: waiting });
            }
        }
    }
    // Why twice the limit: its agent is there and is bringing it back.
    (apart >= 2 * limit).then_some(Loss::Disconnected { ms: apart })
}
