//! The duties of the node that the ledger names primary.

use super::{Decision, admission, grow, handover, shrink};
use crate::{
    Action, Document, Durability, EndOf, Health, Intent, Mark, Mode, Reason, Running, Server,
    StartAs, View, Wish,
};

pub(super) fn decide(view: &View, document: &Document) -> Decision {
    if document.primary_data != view.data && !matches!(view.server, Server::NoData) {
        return Decision::wait(Reason::PrimaryDataReplaced);
    }
    if !view.is_confirmed()
        && let Some(Wish::Switchover { asked, .. }) = &view.wish
        && view.now.saturating_sub(*asked) >= view.timing.ready
    {
        return handover::refuse("this node does not serve as primary now".into());
    }
    match &view.server {
        Server::NoData => Decision::wait(Reason::PrimaryWithoutData),
        Server::Stopped => stopped(view, document),
        Server::Running(running) => match step_down(view, document, running) {
            Some(decision) => decision,
            None if view.is_confirmed() => in_office(view, document, running),
            None => unconfirmed(view, document, running),
        },
        Server::Unseen | Server::Busy(_) => Decision::wait(Reason::LooksAtItsServer),
    }
}

/// Confirm before starting.
fn stopped(view: &View, document: &Document) -> Decision {
    if view.is_confirmed() {
        return Decision::one(Action::Start(StartAs::Ordinary), Reason::StartsAsPrimary);
    }
    let waited = view.server_age();
    // Why also a moment for those never heard: this agent may just have woken, and they not know it.
    let unheard = document.in_sync.keys().any(|node| view.age(node).is_none());
    let limit = if view.can_be_taken_over(document) {
        view.timing.grace
    } else if unheard && !document.paused {
        view.timing.suspicion
    } else {
        0
    };
    if waited < limit {
        let left_ms = limit - waited;
        return Decision::wait(Reason::LeavesTheWayOpen { left_ms });
    }
    Decision::swap(document.bumped(), Intent::Reclaim, Reason::Reclaims)
}

fn step_down(view: &View, document: &Document, running: &Running) -> Option<Decision> {
    if running.health.is_ok() || view.server_age() < view.timing.ill {
        return None;
    }
    let health = running.health.clone();
    // Why a hung server is ended even when nobody can take over: a restart may heal it.
    let restart_may_heal = matches!(health, Health::Hung);
    if !view.can_be_taken_over(document) && !restart_may_heal {
        // Why it may shrink: without the lost ones the others can take over.
        let shrinks = (view.is_confirmed() && shrink::leaves_a_member(view, document))
            .then(|| shrink::decide(view, document))
            .flatten();
        return Some(shrinks.unwrap_or_else(|| Decision::wait(Reason::IllAndAlone { health })));
    }
    let mut actions: Vec<_> = view.admissions.keys().cloned().map(Action::Cut).collect();
    actions.push(Action::Kill);
    Some(Decision::steps(actions, Reason::StepsDown { health }))
}

/// The ledger names this node and this agent has not confirmed it yet.
fn unconfirmed(view: &View, document: &Document, running: &Running) -> Decision {
    let learned_awake = view
        .memory
        .woke
        .is_some_and(|(_, epoch)| epoch < document.epoch);
    if !learned_awake {
        return Decision::swap(document.bumped(), Intent::Reclaim, Reason::Reclaims);
    }
    if running.salvage {
        return Decision::one(Action::Salvage, Reason::Salvages);
    }
    match document.cuts.last() {
        Some(cut) if !running.applied.covers(&cut.position) || !running.is_drained() => {
            let (cut, has) = (cut.position.clone(), running.applied.clone());
            Decision::wait(Reason::OfficeContradicted { cut, has })
        }
        _ => Decision::one(
            Action::Assume,
            Reason::TakesOffice {
                epoch: document.epoch,
            },
        ),
    }
}

fn in_office(view: &View, document: &Document, running: &Running) -> Decision {
    // Why first: nothing else may keep statements held for longer than the limit.
    if let Some(decision) = handover::overdue(view, document, running) {
        return decision;
    }
    // Why: its server ended between the swap and the end of its life as a replica; until the relay log
    // has been looked at, it cannot be promoted. All of that log is applied: the swap came after.
    if running.salvage && running.replica_settings {
        return Decision::one(Action::Salvage, Reason::Salvages);
    }
    let mut actions = admission::plan(view, document);
    if running.replica_settings {
        if !running.read_only {
            actions.push(Action::Close);
        }
        actions.push(Action::Promote);
    }
    let wanted = wants_semi_sync(view, document);
    if wanted != running.semi_sync {
        actions.push(Action::SemiSync(wanted));
    }
    if running.read_only && view.memory.handover.is_none() {
        return open(view, document, running, actions);
    }
    if !actions.is_empty() {
        // Nothing but a hand switches semi-sync off on a primary that serves with members.
        let by_hand = wanted && !running.semi_sync && !document.in_sync.is_empty();
        let reason = if by_hand && view.memory.grow.is_none() {
            Reason::SetsRight
        } else {
            serves(document)
        };
        return Decision::steps(actions, reason);
    }
    shrink::decide(view, document)
        .or_else(|| handover::decide(view, document, running))
        .or_else(|| grow::decide(view, document, running))
        .or_else(|| relief(view, document))
        .or_else(|| shrink::strict(view, document))
        .unwrap_or_else(|| Decision::wait(serves(document)))
}

/// Semi-sync is off only while the ledger's set is empty, and not while that set is being grown; with
/// strict durability never, so that a primary that is alone acknowledges nothing.
fn wants_semi_sync(view: &View, document: &Document) -> bool {
    let growing = view.memory.grow.as_ref().is_some_and(|grow| {
        let admission = view.admissions.get(&grow.node);
        let connected = admission.is_some_and(|a| a.connected && a.mode == Mode::Sync);
        !grow::is_over(view, grow) && (connected || grow.end.is_some())
    });
    let strict = document.durability == Durability::Strict;
    !document.in_sync.is_empty() || growing || strict
}

fn open(view: &View, document: &Document, running: &Running, mut actions: Vec<Action>) -> Decision {
    let Some(tenure) = &view.memory.tenure else {
        return Decision::wait(serves(document));
    };
    if tenure.reclaimed && !tenure.opened && !document.in_sync.is_empty() {
        let Some(end) = &tenure.end else {
            actions.push(Action::NoteEnd(EndOf::Reclaim));
            return Decision::steps(actions, Reason::Reclaims);
        };
        let held = document
            .in_sync
            .keys()
            .any(|node| shrink::holds(view, document, node, end));
        if !held {
            if actions.is_empty()
                && let Some(decision) = shrink::decide(view, document)
                    .or_else(|| grow::decide(view, document, running))
                    .or_else(|| shrink::strict(view, document))
            {
                return decision;
            }
            return Decision::steps(actions, Reason::WaitsForAMember { end: end.clone() });
        }
    }
    let epoch = document.epoch;
    if view.mark != (Mark::Opened { epoch }) {
        actions.push(Action::SetMark(Mark::Opened { epoch }));
    }
    actions.push(Action::Open);
    Decision::steps(actions, Reason::Opens { epoch })
}

fn relief(view: &View, document: &Document) -> Option<Decision> {
    let since = view.memory.protected_since?;
    if document.strain.is_empty() || view.now.saturating_sub(since) < view.timing.relief {
        return None;
    }
    let mut next = document.bumped();
    next.strain.clear();
    Some(Decision::swap(next, Intent::Relief, Reason::Relieved))
}

fn serves(document: &Document) -> Reason {
    if document.in_sync.is_empty() {
        Reason::ServesAlone
    } else {
        Reason::Serves {
            in_sync: document.in_sync.keys().cloned().collect(),
        }
    }
}
