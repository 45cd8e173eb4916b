//! The primary's allow-list of replication tunnels. Sync only with the very ids that the ledger
//! names, or is about to when an empty set grows; whoever has been cut stays out.

use super::grow;
use crate::{Action, Document, Mode, NodeName, Stamp, View};

/// The changes that bring the allow-list to what it should be.
pub(super) fn plan(view: &View, document: &Document) -> Vec<Action> {
    let mut actions: Vec<_> = view
        .admissions
        .keys()
        .filter(|node| wanted(view, document, node).is_none())
        .cloned()
        .map(Action::Cut)
        .collect();
    for (node, _) in document
        .data_members()
        .filter(|(node, _)| **node != view.me)
    {
        let Some((mode, stamp)) = wanted(view, document, node) else {
            continue;
        };
        let present = view.admissions.get(node).is_some_and(|admission| {
            admission.epoch == document.epoch && admission.mode == mode && admission.stamp == stamp
        });
        if !present {
            let (node, epoch) = (node.clone(), document.epoch);
            actions.push(Action::Admit {
                node,
                epoch,
                mode,
                stamp,
            });
        }
    }
    actions
}

fn wanted(view: &View, document: &Document, node: &NodeName) -> Option<(Mode, Stamp)> {
    let member = document.members.get(node)?;
    if view
        .memory
        .shrink
        .as_ref()
        .is_some_and(|shrink| shrink.lost.contains(node))
    {
        return None;
    }
    if let Some(stamp) = document.in_sync.get(node) {
        return Some((Mode::Sync, *stamp));
    }
    if let Some(grow) = view.memory.grow.as_ref().filter(|grow| grow.node == *node) {
        let out = member.far || grow::is_over(view, grow);
        return (!out).then_some((Mode::Sync, grow.stamp));
    }
    // Why the last known ids of a silent replica stay good: they admit it to nothing that counts.
    let known = view.peers.get(node).map(|peer| peer.report.stamp);
    known.map(|stamp| (Mode::Async, stamp))
}
