//! The heart: from what a node believes to what it does next.
//!
//! There is no stored plan. Every decision is made anew from what is true, so that a node which is
//! interrupted after any step finds the same remaining steps. One file for each circumstance:
//! `primary` (with `admission`, `shrink`, `grow`, `handover`), `replica` (with `deposed`), and
//! `failover` (with `suspicion`).

mod admission;
mod deposed;
mod failover;
mod grow;
mod handover;
mod primary;
mod replica;
mod shrink;
mod suspicion;

use crate::{Action, Document, Intent, Reason, Server, View};

pub use suspicion::suspicion;

/// What to do, in this order, and why.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Decision {
    /// Steps; none: nothing to do but look again.
    pub actions: Vec<Action>,
    /// The one reason.
    pub reason: Reason,
}

impl Decision {
    fn wait(reason: Reason) -> Self {
        Self {
            actions: Vec::new(),
            reason,
        }
    }

    fn one(action: Action, reason: Reason) -> Self {
        Self {
            actions: vec![action],
            reason,
        }
    }

    fn steps(actions: Vec<Action>, reason: Reason) -> Self {
        Self { actions, reason }
    }

    fn swap(next: Document, intent: Intent, reason: Reason) -> Self {
        Self::one(
            Action::Swap {
                next: Box::new(next),
                intent,
            },
            reason,
        )
    }
}

/// Decides for `view.me`.
pub fn decide(view: &View) -> Decision {
    let Some(document) = &view.document else {
        return Decision::one(Action::ReadLedger, Reason::LedgerUnknown);
    };
    if view.memory.woke.is_none() {
        return Decision::one(Action::ReadLedger, Reason::LedgerUnknown);
    }
    if !document.members.contains_key(&view.me) {
        return Decision::wait(Reason::NotAMember);
    }
    if let Some(rev) = view.memory.undecided.filter(|rev| *rev >= document.rev) {
        return Decision::swap(document.bumped(), Intent::Settle, Reason::Undecided { rev });
    }
    if document.is_witness(&view.me) {
        return Decision::wait(Reason::Witness);
    }
    match &view.server {
        Server::Unseen => Decision::wait(Reason::LooksAtItsServer),
        Server::Busy(with) => Decision::wait(Reason::Busy { with: with.clone() }),
        _ if document.primary == view.me => primary::decide(view, document),
        _ => replica::decide(view, document),
    }
}
