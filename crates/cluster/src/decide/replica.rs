//! The duties of a node that the ledger does not name primary.

use super::suspicion::{is_well, suspicion};
use super::{Decision, deposed, failover};
use crate::{
    Action, Applying, ChangeKind, Containment, Document, Health, Intent, Mark, Mode, NodeName,
    Reason, Receiving, Running, Server, Source, StartAs, View, Wish, contained,
};

pub(super) fn decide(view: &View, document: &Document) -> Decision {
    if let Some(Wish::Switchover { to, .. }) = &view.wish {
        return switchover_is_over(view, document, to.as_ref());
    }
    match &view.server {
        Server::NoData if view.wish.is_some() => failover::refuse("it has no data".into()),
        Server::NoData => deposed::clone(view, document, "it has no data"),
        Server::Stopped => stopped(view, document),
        Server::Running(running) => self::running(view, document, running),
        Server::Unseen | Server::Busy(_) => Decision::wait(Reason::LooksAtItsServer),
    }
}

fn switchover_is_over(view: &View, document: &Document, to: Option<&NodeName>) -> Decision {
    let handed_over = document.last_change.as_ref().is_some_and(|change| {
        change.kind == ChangeKind::Switchover
            && change.from == view.me
            && to.is_none_or(|to| *to == document.primary)
    });
    if handed_over {
        return Decision::one(Action::EndWish(None), Reason::WishDone);
    }
    failover::refuse(format!(
        "{} is not the primary: {} is",
        view.me, document.primary
    ))
}

fn stopped(view: &View, document: &Document) -> Decision {
    if view.mark != Mark::Clean
        && !view.is_vouching_member(document)
        && document.in_sync.contains_key(&view.me)
        && let Some(decision) = named_with_other_ids(view, document)
    {
        return decision;
    }
    match view.mark {
        // Why a new data id also for one that was rewound before: each such start drops what it has
        // received since, and a swap that names its present ids may be on its way.
        Mark::Opened { epoch } | Mark::Rewound { epoch } if !view.is_vouching_member(document) => {
            let actions = vec![
                Action::Renounce(Mark::Rewound { epoch }),
                Action::Start(StartAs::Destructive),
            ];
            Decision::steps(actions, Reason::Rewinds { epoch })
        }
        Mark::Opened { .. } | Mark::Rewound { .. } | Mark::Clean => {
            Decision::one(Action::Start(StartAs::Ordinary), Reason::StartsAsReplica)
        }
    }
}

/// Why it waits: while it is named, with whatever ids, a swap that it made before it went down may still
/// land and make it primary, without what a destructive start drops. Only the operator accepts that.
fn named_with_other_ids(view: &View, document: &Document) -> Option<Decision> {
    match view.wish {
        Some(Wish::Failover {
            accept_loss: true, ..
        }) => None,
        Some(Wish::Failover { .. }) => Some(failover::refuse(format!(
            "acknowledged writes may be held by {} only; `--accept-loss` takes over without them",
            document.primary
        ))),
        _ => Some(Decision::wait(Reason::WaitsToBeTakenOut)),
    }
}

fn running(view: &View, document: &Document, running: &Running) -> Decision {
    let streams = running.receiving == Receiving::Streaming;
    let follows = running
        .source
        .as_ref()
        .is_some_and(|source| source.node == document.primary && source.epoch == document.epoch);
    if follows && streams && view.mark != Mark::Clean {
        return Decision::one(Action::SetMark(Mark::Clean), Reason::MarkCleared);
    }
    if let Mark::Opened { epoch } = view.mark
        && !view.is_vouching_member(document)
    {
        let mut actions: Vec<_> = view.admissions.keys().cloned().map(Action::Cut).collect();
        actions.push(Action::Kill);
        return Decision::steps(actions, Reason::Deposed { epoch });
    }
    if !view.admissions.is_empty() {
        let actions = view.admissions.keys().cloned().map(Action::Cut).collect();
        return Decision::steps(
            actions,
            Reason::Follows {
                node: document.primary.clone(),
                epoch: document.epoch,
            },
        );
    }
    // Why so late: an overloaded one recovers. Why at all: MariaDB can wait for ever in its own shutdown (10.11.19, asked
    // to end while eight threads applied a backlog).
    if running.health == Health::Hung && view.server_age() >= view.timing.hung {
        return Decision::one(Action::Kill, Reason::EndsHungServer);
    }
    if running.salvage {
        return salvage(view, document, running);
    }
    if let Some(decision) = set_right(running) {
        return decision;
    }
    if let Some(decision) = failover::ordered(view, document, running) {
        return decision;
    }
    match contained(document, view.followed, &running.holds()) {
        Containment::Contained => {}
        Containment::Beyond(cut) => return deposed::beyond(view, document, running, cut),
        Containment::Unknown => {
            return deposed::clone(
                view,
                document,
                "it was away for too many changes of primary",
            );
        }
    }
    failover::decide(view, document, running)
        .or_else(|| fence(view, document, running))
        .unwrap_or_else(|| follow(view, document, running))
}

/// Why not for ever: what cannot be applied is thrown away with the data once it does not count any more.
fn salvage(view: &View, document: &Document, running: &Running) -> Decision {
    match &running.applying {
        Applying::Failed(error) if !document.in_sync.contains_key(&view.me) => {
            let why = format!("it cannot apply what it had received: {error}");
            deposed::clone(view, document, &why)
        }
        _ => Decision::one(Action::Salvage, Reason::Salvages),
    }
}

/// What somebody changed by hand on a replica. Why before everything else: an open one takes writes that nobody
/// else has, and one that waits for acknowledgements applies nothing any more and tells nobody.
fn set_right(running: &Running) -> Option<Decision> {
    let action = match (running.replica_settings, running.semi_sync) {
        (true, true) => Action::SemiSync(false),
        (true, false) if !running.read_only => Action::Close,
        _ => return None,
    };
    Some(Decision::one(action, Reason::SetsRight))
}

/// Suspicion and waking.
fn fence(view: &View, document: &Document, running: &Running) -> Option<Decision> {
    let member = document.in_sync.contains_key(&view.me);
    if !member {
        return None;
    }
    if let Some(suspicion) = suspicion(view, document)
        && view.is_vouching_member(document)
    {
        let node = document.primary.clone();
        if document.paused && !somebody_promised(view, document) {
            return Some(Decision::wait(Reason::Paused { node }));
        }
        let promise = Some(document.rev);
        let reason = Reason::Suspects { node, suspicion };
        return Some(Decision::one(Action::StopReceiving { promise }, reason));
    }
    let woke_fenced = view.memory.woke.is_none_or(|(rev, _)| rev >= document.rev);
    if !woke_fenced {
        return None;
    }
    if running.receiving != Receiving::Stopped {
        return Some(Decision::one(
            Action::StopReceiving { promise: None },
            Reason::WakesFenced,
        ));
    }
    if !view.is_vouching_member(document) {
        return Some(Decision::wait(Reason::WaitsToBeTakenOut));
    }
    Some(unfence(view, document).unwrap_or_else(|| Decision::wait(Reason::WakesFenced)))
}

/// Why it matters while automatic change is paused: another member gave its word by the operator's
/// order, and cannot take over without everybody's.
fn somebody_promised(view: &View, document: &Document) -> bool {
    document.in_sync.keys().any(|node| {
        let promise = view.fresh(node).and_then(|report| report.promise.as_ref());
        promise.is_some_and(|promise| promise.rev == document.rev)
    })
}

/// The way out of the fence, when the primary is well.
pub(super) fn unfence(view: &View, document: &Document) -> Option<Decision> {
    let node = document.primary.clone();
    is_well(view, document).then(|| {
        Decision::swap(
            document.bumped(),
            Intent::Unfence,
            Reason::ReturnsTo { node },
        )
    })
}

fn follow(view: &View, document: &Document, running: &Running) -> Decision {
    let wanted = Source {
        node: document.primary.clone(),
        epoch: document.epoch,
        mode: wanted_mode(view, document),
    };
    let node = wanted.node.clone();
    let as_wanted = running.source.as_ref() == Some(&wanted);
    // Why the wipe counts: by then its source is closed, and the refusal is all that is left to see.
    if running.receiving == Receiving::Refused && (as_wanted || view.memory.wipe.is_some()) {
        let why = "its primary no longer has what it asks for";
        return deposed::clone(view, document, why);
    }
    if as_wanted {
        match (&running.receiving, &running.applying) {
            (Receiving::Streaming, Applying::Running) => {
                return Decision::wait(Reason::Replicates { from: node });
            }
            (Receiving::Connecting, Applying::Running) => {
                let lost = suspicion(view, document).is_some();
                if lost && document.in_sync.is_empty() {
                    return Decision::wait(Reason::NobodyMayPromote { node });
                }
                return Decision::wait(Reason::Connects { to: node });
            }
            _ => {}
        }
    }
    if let Applying::Failed(error) = &running.applying {
        if document.in_sync.contains_key(&view.me) {
            return Decision::wait(Reason::ApplyStopped {
                error: error.clone(),
            });
        }
        return deposed::clone(view, document, &format!("it cannot apply: {error}"));
    }
    if !matches!(running.receiving, Receiving::Stopped | Receiving::Refused) {
        let reason = Reason::Follows {
            node,
            epoch: document.epoch,
        };
        return Decision::one(Action::StopReceiving { promise: None }, reason);
    }
    if !running.is_drained() {
        let missing = running.applied.missing_from(&running.received);
        return Decision::wait(Reason::Drains { missing });
    }
    let mut actions = Vec::new();
    // Without the settings of a replica it was primary: its position is the end of its own binlog.
    if running.semi_sync || !running.read_only || !running.replica_settings {
        actions.push(Action::Demote);
    }
    actions.push(Action::Follow(wanted));
    Decision::steps(
        actions,
        Reason::Follows {
            node,
            epoch: document.epoch,
        },
    )
}

/// Sync when the ledger names this node with its present ids, or its primary is about to.
fn wanted_mode(view: &View, document: &Document) -> Mode {
    let far = document
        .members
        .get(&view.me)
        .is_some_and(|member| member.far);
    let growing = view.fresh(&document.primary).is_some_and(|report| {
        report.confirmed == Some(document.epoch) && report.growing.as_ref() == Some(&view.me)
    });
    let sync = !far && (view.is_vouching_member(document) || growing);
    if sync { Mode::Sync } else { Mode::Async }
}
