//! The duties of the node that the ledger names primary.

use super::{Decision, admission, grow, handover, shrink};
use crate::{
    Action, Document, EndOf, Health, Intent, Mark, Reason, Running, Server, StartAs, View,
};

pub(super) fn decide(view: &View, document: &Document) -> Decision {
    if document.primary_data != view.data && !matches!(view.server, Server::NoData) {
        return Decision::wait(Reason::PrimaryDataReplaced);
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
    if can_be_taken_over(view, document) && waited < view.timing.grace {
        let left_ms = view.timing.grace - waited;
        return Decision::wait(Reason::LeavesTheWayOpen { left_ms });
    }
    Decision::swap(document.bumped(), Intent::Reclaim, Reason::Reclaims)
}

/// True when every member is there with the very ids the ledger names.
fn can_be_taken_over(view: &View, document: &Document) -> bool {
    !document.paused
        && !document.in_sync.is_empty()
        && document.in_sync.iter().all(|(node, stamp)| {
            view.fresh(node)
                .is_some_and(|report| report.stamp == *stamp)
        })
}

fn step_down(view: &View, document: &Document, running: &Running) -> Option<Decision> {
    if running.health.is_ok() || view.server_age() < view.timing.ill {
        return None;
    }
    let health = running.health.clone();
    // Why a hung server is ended even when nobody can take over: a restart may heal it.
    let restart_may_heal = matches!(health, Health::Hung);
    if !can_be_taken_over(view, document) && !restart_may_heal {
        return Some(Decision::wait(Reason::IllAndAlone { health }));
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
    let mut actions = admission::plan(view, document);
    if running.replica_settings {
        actions.push(Action::Promote);
    }
    let wanted = wants_semi_sync(view, document);
    if wanted != running.semi_sync {
        actions.push(Action::SemiSync(wanted));
    }
    if running.read_only && view.memory.handover.is_none() {
        return open(view, document, actions);
    }
    if !actions.is_empty() {
        return Decision::steps(actions, serves(document));
    }
    shrink::decide(view, document)
        .or_else(|| handover::decide(view, document, running))
        .or_else(|| grow::decide(view, document, running))
        .or_else(|| relief(view, document))
        .unwrap_or_else(|| Decision::wait(serves(document)))
}

/// Semi-sync is off only while the ledger's set is empty, and not while that set is being grown.
fn wants_semi_sync(view: &View, document: &Document) -> bool {
    let growing = view.memory.grow.as_ref().is_some_and(|grow| {
        view.admissions
            .get(&grow.node)
            .is_some_and(|a| a.connected && a.stamp == grow.stamp)
            || grow.end.is_some()
    });
    !document.in_sync.is_empty() || growing
}

fn open(view: &View, document: &Document, mut actions: Vec<Action>) -> Decision {
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
