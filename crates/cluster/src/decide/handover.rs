//! A planned change of primary, seen from the one that hands over. Before the swap every failure is
//! undone; after it there is only forward.

use super::{Decision, shrink};
use crate::{
    Action, Applying, Change, ChangeKind, Document, EndOf, Handover, Intent, Member, Mode,
    NodeName, Reason, Running, View, Wish,
};

/// The next step, when the operator asked for a switchover.
pub(super) fn decide(view: &View, document: &Document, running: &Running) -> Option<Decision> {
    if let Some(handover) = &view.memory.handover {
        return under_way(view, document, running, handover);
    }
    let (to, asked) = match view.wish.as_ref()? {
        Wish::Switchover { to, asked } => (to.clone(), *asked),
        Wish::Failover { .. } => return Some(refuse("this node is the primary already".into())),
    };
    if to.as_ref() == Some(&view.me) {
        return Some(refuse(format!("{} is the primary already", view.me)));
    }
    let Some(to) = to.or_else(|| best_member(view, document)) else {
        return Some(refuse("no replica is in sync".into()));
    };
    let late = view.now.saturating_sub(asked) >= view.timing.ready;
    match obstacle(view, document, running, &to) {
        None if late => Some(refuse(format!("{to} could not take over in time"))),
        None => {
            let reason = Reason::SwitchoverHolds {
                to: to.clone(),
                open: open_work(view),
            };
            Some(Decision::one(Action::BeginHandover(to), reason))
        }
        Some(why) if late => Some(refuse(format!("{to} cannot take over: {why}"))),
        Some(obstacle) => Some(Decision::wait(Reason::SwitchoverWaits { to, obstacle })),
    }
}

/// The operator's wish comes to nothing.
pub(super) fn refuse(why: String) -> Decision {
    Decision::one(
        Action::EndWish(Some(why.clone())),
        Reason::SwitchoverRefused { why },
    )
}

fn best_member(view: &View, document: &Document) -> Option<NodeName> {
    let priority = |node: &NodeName| {
        document
            .members
            .get(node)
            .map_or(0, |m: &Member| m.priority)
    };
    document
        .in_sync
        .keys()
        .filter(|node| view.fresh(node).is_some())
        .max_by_key(|node| (priority(node), std::cmp::Reverse((*node).clone())))
        .cloned()
}

fn obstacle(view: &View, document: &Document, own: &Running, to: &NodeName) -> Option<String> {
    let Some(member) = document.members.get(to) else {
        return Some("it is no member of the cluster".into());
    };
    if !document.in_sync.contains_key(to) {
        let far = if member.far {
            "it is far and replicates without being in sync"
        } else {
            ""
        };
        return Some(if far.is_empty() {
            "it is not in sync".into()
        } else {
            far.into()
        });
    }
    let connected = view.admissions.get(to).is_some_and(|admission| {
        admission.connected && admission.mode == Mode::Sync && admission.epoch == document.epoch
    });
    if !connected {
        return Some("it is not connected".into());
    }
    let Some(running) = view.fresh(to).and_then(|report| report.server.running()) else {
        return Some("its agent or its server does not answer".into());
    };
    if !running.health.is_ok() {
        return Some(format!("its server is ill ({})", running.health));
    }
    if running.applying != Applying::Running {
        return Some("it does not apply what it receives".into());
    }
    if own.long_ddl {
        return Some("a statement that changes a table's structure is running".into());
    }
    match running.lag_ms {
        Some(ms) if ms <= view.timing.caught_up => None,
        Some(ms) => Some(format!("its data is {ms} ms behind")),
        None => Some("its lag cannot be told".into()),
    }
}

/// Undoes a handover that has held statements for too long, or whose target is out of the set.
pub(super) fn overdue(view: &View, document: &Document, running: &Running) -> Option<Decision> {
    let handover = view.memory.handover.as_ref()?;
    let to = handover.to.clone();
    let held_for = view.now.saturating_sub(handover.since);
    if held_for < view.timing.hold && document.in_sync.contains_key(&to) {
        return None;
    }
    let mut actions = Vec::new();
    if running.read_only {
        actions.push(Action::Open);
    }
    // Why the wish ends first: while it lasts, an end of the handover would begin another.
    if view.wish.is_some() {
        let why = format!("{to} was not ready in time, nothing was changed");
        actions.push(Action::EndWish(Some(why)));
    }
    actions.push(Action::EndHandover);
    Some(Decision::steps(actions, Reason::SwitchoverUndone { to }))
}

fn under_way(
    view: &View,
    document: &Document,
    running: &Running,
    handover: &Handover,
) -> Option<Decision> {
    let to = handover.to.clone();
    let held_for = view.now.saturating_sub(handover.since);
    let open = open_work(view);
    if !running.read_only {
        if open > 0 && held_for < view.timing.drain {
            return Some(Decision::wait(Reason::SwitchoverHolds { to, open }));
        }
        let actions = vec![Action::Close, Action::NoteEnd(EndOf::Handover)];
        let reason = Reason::SwitchoverHolds { to, open };
        return Some(Decision::steps(actions, reason));
    }
    let Some(end) = &handover.end else {
        let reason = Reason::SwitchoverHolds { to, open };
        return Some(Decision::one(Action::NoteEnd(EndOf::Handover), reason));
    };
    let applied = view
        .fresh(&to)
        .and_then(|report| report.server.running())
        .map(|r| &r.applied);
    let ready = applied.is_some_and(|applied| applied.covers(end));
    if !ready || !shrink::holds(view, document, &to, end) {
        let missing = applied.map_or(0, |applied| applied.missing_from(end));
        return Some(Decision::wait(Reason::SwitchoverCatchesUp { to, missing }));
    }
    hand_over(view, document, handover, end)
}

fn hand_over(
    view: &View,
    document: &Document,
    handover: &Handover,
    end: &wire::gtid::Position,
) -> Option<Decision> {
    let to = handover.to.clone();
    let stamp = document.in_sync.get(&to)?;
    let change = Change {
        kind: ChangeKind::Switchover,
        from: view.me.clone(),
        to: to.clone(),
        at: view.wall,
        reason: "planned".into(),
    };
    let mut next = document.with_primary(stamp.data, end.clone(), change);
    if document.members.get(&view.me).is_some_and(|me| !me.far) {
        next.in_sync.insert(view.me.clone(), view.stamp());
    }
    for (node, stamp) in &document.in_sync {
        if *node != to && shrink::holds(view, document, node, end) {
            next.in_sync.insert(node.clone(), *stamp);
        }
    }
    let reason = Reason::HandsOver { to };
    Some(Decision::swap(next, Intent::Handover, reason))
}

/// Transactions and statements still open through any gateway that has not yet said it holds.
fn open_work(view: &View) -> u32 {
    let epoch = view.document.as_ref().map(|document| document.epoch);
    let fresh = view
        .peers
        .keys()
        .filter_map(|node| view.fresh(node))
        .map(|report| report.gate);
    fresh
        .chain([view.gate])
        .filter(|gate| gate.present)
        .map(|gate| {
            if gate.holding == epoch {
                gate.open
            } else {
                gate.open.max(1)
            }
        })
        .fold(0, u32::saturating_add)
}
