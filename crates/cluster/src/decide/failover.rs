//! Taking over. Every member must have promised, for the same revision, not to receive from the
//! primary again; the one that holds most applies all of it; then one swap on that revision.

use super::{Decision, replica, suspicion};
use crate::reason;
use crate::{
    Action, Applying, Change, ChangeKind, Containment, Document, Intent, Millis, NodeName, Promise,
    Reason, Receiving, Running, Suspicion, View, Wish, contained,
};

/// The next step, when this node has promised.
pub(super) fn decide(view: &View, document: &Document, running: &Running) -> Option<Decision> {
    let promise = view
        .memory
        .promise
        .as_ref()
        .filter(|promise| promise.rev == document.rev)?;
    let promises = match promises(view, document, promise) {
        Ok(promises) => promises,
        Err(missing) => {
            let node = document.primary.clone();
            let waits = if missing.is_empty() {
                Reason::NobodyMayPromote { node }
            } else {
                Reason::WaitsForPromises { of: missing }
            };
            return Some(returns_or(view, document, waits));
        }
    };
    if document.paused {
        let node = document.primary.clone();
        return Some(returns_or(view, document, Reason::Paused { node }));
    }
    let candidate = candidate(view, document, running, &promises);
    if candidate != view.me {
        let waits = Reason::WaitsForCandidate { node: candidate };
        return Some(returns_or(view, document, waits));
    }
    let failovers = recent(view, document);
    if failovers >= view.timing.budget {
        return Some(returns_or(
            view,
            document,
            Reason::BudgetSpent { failovers },
        ));
    }
    Some(take_over(view, document, running, &promises))
}

/// Back to the primary when it is well after all; else waits.
fn returns_or(view: &View, document: &Document, waits: Reason) -> Decision {
    replica::unfence(view, document).unwrap_or_else(|| Decision::wait(waits))
}

/// The promise of every member for this revision, or who is missing.
fn promises<'a>(
    view: &'a View,
    document: &'a Document,
    own: &'a Promise,
) -> Result<Vec<(&'a NodeName, &'a Promise)>, Vec<NodeName>> {
    let mut given = Vec::new();
    let mut missing = Vec::new();
    for (node, stamp) in &document.in_sync {
        let promise = if *node == view.me {
            Some(own)
        } else {
            view.peers
                .get(node)
                .and_then(|peer| peer.report.promise.as_ref())
        };
        match promise.filter(|p| p.rev == document.rev && p.stamp == *stamp) {
            Some(promise) => given.push((node, promise)),
            None => missing.push(node.clone()),
        }
    }
    let vouches = document.in_sync.contains_key(&view.me);
    if missing.is_empty() && vouches {
        Ok(given)
    } else {
        Err(missing)
    }
}

/// Of those that hold most, the one to take over: there, able to apply, of the highest priority.
fn candidate(
    view: &View,
    document: &Document,
    running: &Running,
    promises: &[(&NodeName, &Promise)],
) -> NodeName {
    let holds_most = |promise: &Promise| {
        promises
            .iter()
            .all(|(_, other)| promise.received.covers(&other.received))
    };
    let able = |node: &NodeName| {
        let running = if *node == view.me {
            Some(running)
        } else {
            view.fresh(node).and_then(|report| report.server.running())
        };
        running.is_some_and(|r| r.health.is_ok() && !matches!(r.applying, Applying::Failed(_)))
    };
    let priority = |node: &NodeName| document.members.get(node).map_or(0, |m| m.priority);
    promises
        .iter()
        .filter(|(_, promise)| holds_most(promise))
        .map(|(node, _)| *node)
        .max_by_key(|node| {
            (
                able(node),
                priority(node),
                std::cmp::Reverse((*node).clone()),
            )
        })
        .unwrap_or(&view.me)
        .clone()
}

fn recent(view: &View, document: &Document) -> usize {
    document
        .strain
        .iter()
        .filter(|at| view.wall.saturating_sub(**at) < 3_600)
        .count()
}

fn take_over(
    view: &View,
    document: &Document,
    running: &Running,
    promises: &[(&NodeName, &Promise)],
) -> Decision {
    // Why also the promise: a server whose applying threads are stopped cannot tell what lies in its
    // relay log, and that may have been acknowledged.
    let promised = promises
        .iter()
        .all(|(node, promise)| **node != view.me || running.applied.covers(&promise.received));
    // Why also a failed apply: what stopped it may be transactions that only this node has.
    let failed = matches!(running.applying, Applying::Failed(_));
    if !running.is_drained() || !promised || failed {
        return drains(running);
    }
    let from = document.primary.clone();
    let suspicion = suspicion::suspicion(view, document).unwrap_or(Suspicion::Silent { ms: 0 });
    let reason = Reason::TakesOver {
        from: from.clone(),
        suspicion: suspicion.clone(),
    };
    let change = Change {
        kind: ChangeKind::Failover,
        from,
        to: view.me.clone(),
        at: view.wall,
        reason: suspicion.to_string(),
    };
    let mine = running.holds();
    let mut next = document.with_primary(view.data, mine.clone(), change);
    next.in_sync = promises
        .iter()
        .filter(|(node, promise)| **node != view.me && promise.received.same_as(&mine))
        .map(|(node, promise)| ((*node).clone(), promise.stamp))
        .collect();
    next.strain.push(view.wall);
    Decision::swap(next, Intent::Promote, reason)
}

fn drains(running: &Running) -> Decision {
    match &running.applying {
        Applying::Failed(error) => Decision::wait(Reason::ApplyStopped {
            error: error.clone(),
        }),
        _ => Decision::wait(Reason::Drains {
            missing: running.applied.missing_from(&running.received),
        }),
    }
}

/// The operator's `failover --to` this node.
struct Order {
    accept_loss: bool,
    asked: Millis,
}

/// What the operator's word comes to here, whatever this node holds.
pub(super) fn ordered(view: &View, document: &Document, running: &Running) -> Option<Decision> {
    let Some(Wish::Failover { accept_loss, asked }) = view.wish else {
        return None;
    };
    let ours = contained(document, view.followed, &running.holds()) == Containment::Contained;
    if !ours && !accept_loss {
        let why = "it holds transactions that the cluster does not have, or was away for too long; \
                   `--accept-loss` takes over with them";
        return Some(refuse(why.into()));
    }
    let order = Order { accept_loss, asked };
    Some(by_order(view, document, running, &order))
}

/// The operator's wish comes to nothing.
pub(super) fn refuse(why: String) -> Decision {
    let action = Action::EndWish(Some(why.clone()));
    Decision::one(action, Reason::WishRefused { why })
}

fn by_order(view: &View, document: &Document, running: &Running, order: &Order) -> Decision {
    if suspicion::is_well(view, document) {
        let primary = &document.primary;
        return refuse(format!(
            "{primary} is well: use `mainstay switchover --to {}`",
            view.me
        ));
    }
    let promise = view
        .memory
        .promise
        .as_ref()
        .filter(|promise| promise.rev == document.rev);
    let Some(promise) = promise else {
        let reason = Reason::Suspects {
            node: document.primary.clone(),
            suspicion: Suspicion::OperatorsWord,
        };
        let promise = Some(document.rev);
        return Decision::one(Action::StopReceiving { promise }, reason);
    };
    let early = view.now.saturating_sub(order.asked) < view.timing.ready;
    let applies = !matches!(running.applying, Applying::Failed(_));
    match promises(view, document, promise) {
        Ok(promises) if applies && candidate(view, document, running, &promises) == view.me => {
            return take_over(view, document, running, &promises);
        }
        _ if !applies => return force_failed(view, document, running, order),
        _ if order.accept_loss => {}
        Err(missing) if early && !missing.is_empty() => {
            return Decision::wait(Reason::WaitsForPromises { of: missing });
        }
        Ok(_) => return refuse("another member holds more: name that one".into()),
        Err(missing) if missing.is_empty() => {
            return refuse(format!(
                "{} went on alone, so this node may lack acknowledged writes; \
                 `--accept-loss` takes over without them",
                document.primary
            ));
        }
        Err(missing) => {
            let names: Vec<_> = missing.iter().map(NodeName::as_str).collect();
            return refuse(format!(
                "acknowledged writes may be held by {} only; `--accept-loss` takes over without them",
                names.join(", ")
            ));
        }
    }
    force(view, document, running)
}

/// Of one whose apply has failed nothing is taken that it could not apply; what only it holds is the operator's to take.
fn force_failed(view: &View, document: &Document, running: &Running, order: &Order) -> Decision {
    let Applying::Failed(error) = &running.applying else {
        return force(view, document, running);
    };
    match (running.is_drained(), order.accept_loss) {
        (true, true) => force(view, document, running),
        (true, false) => refuse(format!("{error}; `--accept-loss` takes over all the same")),
        (false, _) => refuse(format!("it cannot apply what it received: {error}")),
    }
}

fn force(view: &View, document: &Document, running: &Running) -> Decision {
    let stopped = matches!(running.receiving, Receiving::Stopped | Receiving::Refused);
    if !stopped || !running.is_drained() {
        return drains(running);
    }
    let known = view
        .peers
        .values()
        .filter_map(|peer| peer.report.server.running())
        .map(Running::holds)
        .fold(running.holds(), |all, position| all.joined(&position));
    let missing = running.holds().missing_from(&known);
    let change = Change {
        kind: ChangeKind::Forced,
        from: document.primary.clone(),
        to: view.me.clone(),
        at: view.wall,
        reason: format!("the operator's word; {}", reason::loss(missing)),
    };
    // Why not always its own position: of a tail of its own only the part before the fork is common.
    let common = match contained(document, view.followed, &running.holds()) {
        Containment::Beyond(cut) => cut,
        Containment::Contained | Containment::Unknown => running.holds(),
    };
    let next = document.with_primary(view.data, common, change);
    Decision::swap(next, Intent::Force, Reason::ForcedFailover { missing })
}
