//! A node that holds what the cluster does not, or nothing that is of use: its tail is saved, then
//! its data is replaced. Nothing is touched before the ledger can no longer come to name it.

use wire::gtid::Position;

use super::Decision;
use super::suspicion::is_well;
use crate::{Action, Document, Intent, NodeName, Reason, Receiving, Running, View};

/// It holds transactions beyond the cut.
pub(super) fn beyond(
    view: &View,
    document: &Document,
    running: &Running,
    cut: Position,
) -> Decision {
    if !is_stopped(running) {
        let reason = Reason::SavesTail { beyond: cut };
        return Decision::one(Action::StopReceiving { promise: None }, reason);
    }
    if !view.memory.tail_saved {
        let reason = Reason::SavesTail {
            beyond: cut.clone(),
        };
        return Decision::one(Action::SaveTail(cut), reason);
    }
    clone(
        view,
        document,
        "it holds transactions that the cluster does not have",
    )
}

/// Replaces the data of this node by a copy of another's.
pub(super) fn clone(view: &View, document: &Document, why: &str) -> Decision {
    // Why it waits instead of leaving by its own swap: writes that only it and the primary hold
    // must reach a remaining member first, and only the primary can see to that.
    if document.in_sync.contains_key(&view.me) {
        return Decision::wait(Reason::WaitsToBeTakenOut);
    }
    let Some(from) = source(view, document) else {
        return Decision::wait(Reason::NoSource);
    };
    let reason = Reason::NeedsClone {
        why: why.to_owned(),
    };
    let mut actions = Vec::new();
    if view
        .server
        .running()
        .is_some_and(|running| !is_stopped(running))
    {
        actions.push(Action::StopReceiving { promise: None });
    }
    if view.memory.wipe.is_none() {
        let next = Box::new(document.bumped());
        actions.push(Action::Swap {
            next,
            intent: Intent::Wipe,
        });
    } else {
        actions.push(Action::Clone { from });
    }
    Decision::steps(actions, reason)
}

/// Nothing is received; a refusal stays to be seen after the receiving thread has ended.
fn is_stopped(running: &Running) -> bool {
    let ended = matches!(running.receiving, Receiving::Stopped | Receiving::Refused);
    ended && running.source.is_none()
}

/// The primary when it is well: its position is told with its backup. Nobody else is asked, since a
/// replica that is itself behind would hand on its lag.
fn source(view: &View, document: &Document) -> Option<NodeName> {
    is_well(view, document).then(|| document.primary.clone())
}
