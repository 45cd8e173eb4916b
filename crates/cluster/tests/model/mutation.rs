//! The eighteen mutations of the protocol. The core has no switches for them: a mutation changes what
//! goes into `decide`, what comes out of it, or (in `hands.rs` and `flow.rs`) what the world does.

use cluster::{
    Action, Document, Intent, Mark, Mode, NodeName, Reason, Server, Source, StartAs, View,
    decide as core,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mutation {
    ShrinkWithoutCutting = 1,
    ShrinkWithoutRefusing,
    ShrinkWithoutWaiting,
    SemiSyncOffBeforeTheSwap,
    AdmitBeforeTheSwap,
    UnfenceWithoutMoving,
    OwnPromiseAlone,
    WakeUnfenced,
    ReclaimTruncated,
    OtherIds,
    UndecidedIsLost,
    AdmitWithoutBump,
    AsyncCounts,
    SwapBeforeApplied,
    DestructiveKeepsId,
    WipeWithoutSwap,
    StaleRead,
    SwitchoverUnconnected,
}

pub(crate) const ALL: [Mutation; 18] = [
    Mutation::ShrinkWithoutCutting,
    Mutation::ShrinkWithoutRefusing,
    Mutation::ShrinkWithoutWaiting,
    Mutation::SemiSyncOffBeforeTheSwap,
    Mutation::AdmitBeforeTheSwap,
    Mutation::UnfenceWithoutMoving,
    Mutation::OwnPromiseAlone,
    Mutation::WakeUnfenced,
    Mutation::ReclaimTruncated,
    Mutation::OtherIds,
    Mutation::UndecidedIsLost,
    Mutation::AdmitWithoutBump,
    Mutation::AsyncCounts,
    Mutation::SwapBeforeApplied,
    Mutation::DestructiveKeepsId,
    Mutation::WipeWithoutSwap,
    Mutation::StaleRead,
    Mutation::SwitchoverUnconnected,
];

/// The core's decision, mutated.
pub(crate) fn decide(mutation: Option<Mutation>, view: &View) -> Vec<Action> {
    let (Some(mutation), Some(document)) = (mutation, &view.document) else {
        return core(view).actions;
    };
    match mutation {
        Mutation::OtherIds if document.primary != view.me => other_ids(view, document),
        Mutation::SwitchoverUnconnected if document.primary == view.me => {
            core(&connected(view, document)).actions
        }
        _ => after(mutation, view, document),
    }
}

/// Changes to what comes out.
fn after(mutation: Mutation, view: &View, document: &Document) -> Vec<Action> {
    let decision = core(view);
    let mut actions = decision.actions;
    match (mutation, &decision.reason) {
        (Mutation::ShrinkWithoutWaiting, Reason::ShrinkWaits { .. }) => {
            let mut next = document.bumped();
            if let Some(shrink) = &view.memory.shrink {
                next.in_sync.retain(|node, _| !shrink.lost.contains(node));
            }
            vec![swap(next, Intent::Shrink)]
        }
        (Mutation::OwnPromiseAlone, Reason::WaitsForPromises { .. })
            if document.in_sync.contains_key(&view.me) =>
        {
            let mut alone = view.clone();
            if let Some(document) = &mut alone.document {
                document.in_sync.retain(|node, _| *node == view.me);
            }
            core(&alone).actions
        }
        (
            Mutation::SwapBeforeApplied,
            Reason::Drains { .. } | Reason::SwitchoverCatchesUp { .. },
        ) => core(&applied(view)).actions,
        // Won without being made: see `hands.rs`.
        (Mutation::AdmitWithoutBump, Reason::Reclaims) if view.server.running().is_some() => {
            for action in &mut actions {
                if let Action::Swap { next, .. } = action {
                    next.rev = document.rev;
                }
            }
            actions
        }
        (Mutation::ReclaimTruncated, Reason::StartsAsPrimary) => {
            vec![Action::Start(StartAs::Destructive)]
        }
        (Mutation::DestructiveKeepsId, Reason::StartsAsReplica) if view.mark != Mark::Clean => {
            vec![Action::Start(StartAs::Destructive)]
        }
        (Mutation::DestructiveKeepsId, Reason::Rewinds { epoch }) => {
            let mark = Mark::Rewound { epoch: *epoch };
            vec![Action::SetMark(mark), Action::Start(StartAs::Destructive)]
        }
        _ => {
            for action in &mut actions {
                one(mutation, action, document);
            }
            let before = actions
                .last()
                .and_then(|last| preceded(mutation, view, document, last));
            match before {
                Some((before, stays)) => {
                    let last = actions.pop().filter(|_| stays);
                    actions.extend(before);
                    actions.extend(last);
                    actions
                }
                None => actions,
            }
        }
    }
}

fn one(mutation: Mutation, action: &mut Action, document: &Document) {
    if let (
        Mutation::WipeWithoutSwap,
        Action::Swap {
            intent: Intent::Wipe,
            ..
        },
    ) = (mutation, &action)
    {
        let from = document.primary.clone();
        *action = Action::Clone { from };
    }
}

/// Actions put before the last one, and whether that one stays.
fn preceded(
    mutation: Mutation,
    view: &View,
    document: &Document,
    last: &Action,
) -> Option<(Vec<Action>, bool)> {
    let Action::Swap { next, intent } = last else {
        return None;
    };
    match (mutation, intent) {
        (Mutation::SemiSyncOffBeforeTheSwap, Intent::Shrink) if next.in_sync.is_empty() => {
            Some((vec![Action::SemiSync(false)], true))
        }
        (Mutation::AdmitBeforeTheSwap, Intent::Grow)
            if !document.in_sync.is_empty() && view.memory.grow.is_none() =>
        {
            let mut new = next.in_sync.iter();
            let (node, stamp) = new.find(|(node, _)| !document.in_sync.contains_key(*node))?;
            let admit = Action::Admit {
                node: node.clone(),
                epoch: document.epoch,
                mode: Mode::Sync,
                stamp: *stamp,
            };
            let (node, stamp) = (node.clone(), *stamp);
            Some((vec![Action::BeginGrow { node, stamp }, admit], false))
        }
        _ => None,
    }
}

fn swap(next: Document, intent: Intent) -> Action {
    let next = Box::new(next);
    Action::Swap { next, intent }
}

/// Every promise, and this node itself, counts as if it had the ids that the ledger names.
fn other_ids(view: &View, document: &Document) -> Vec<Action> {
    let mut believed = view.clone();
    let named = |node: &NodeName| document.in_sync.get(node).copied();
    if let Some(stamp) = named(&view.me) {
        (believed.boot, believed.data) = (stamp.boot, stamp.data);
        if let Some(promise) = &mut believed.memory.promise {
            promise.stamp = stamp;
        }
    }
    for (node, peer) in &mut believed.peers {
        if let (Some(promise), Some(stamp)) = (&mut peer.report.promise, named(node)) {
            promise.stamp = stamp;
        }
    }
    let mut actions = core(&believed).actions;
    for action in &mut actions {
        if let Action::Swap { next, .. } = action
            && next.primary == view.me
        {
            next.primary_data = view.data;
        }
    }
    actions
}

/// Whatever was received counts as applied, here and at the target of a switchover.
fn applied(view: &View) -> View {
    let mut believed = view.clone();
    let promised = view
        .memory
        .promise
        .as_ref()
        .map(|promise| promise.received.clone());
    if let (Server::Running(running), Some(promised)) = (&mut believed.server, promised) {
        running.salvage = false;
        running.received = running.received.joined(&promised);
        running.applied = running.received.clone();
        running.written = running.received.clone();
    }
    for peer in believed.peers.values_mut() {
        if let Server::Running(running) = &mut peer.report.server {
            running.applied = running.received.clone();
        }
    }
    believed
}

/// While a switchover is wished for, every member counts as connected in this epoch.
fn connected(view: &View, document: &Document) -> View {
    let mut believed = view.clone();
    if view.wish.is_none() && view.memory.handover.is_none() {
        return believed;
    }
    for (node, admission) in &mut believed.admissions {
        let Some(peer) = believed
            .peers
            .get_mut(node)
            .filter(|_| document.in_sync.contains_key(node))
        else {
            continue;
        };
        (admission.connected, admission.mode, admission.epoch) = (true, Mode::Sync, document.epoch);
        admission.stamp = peer.report.stamp;
        if let Server::Running(running) = &mut peer.report.server {
            running.source = Some(Source {
                node: view.me.clone(),
                epoch: document.epoch,
                mode: Mode::Sync,
            });
        }
    }
    believed
}
