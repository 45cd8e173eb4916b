//! Faults planted in the core's decisions or in the world, to see that the simulator finds them. The core has
//! no switches for them: what goes in or what comes out is changed.

use cluster::{Action, Decision, Document, Intent, Outcome, Reason, Server, View, decide as core};

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A primary answers its clients before a replica has confirmed.
    AnswerBeforeAcknowledged,
    /// A candidate takes over before it has applied what it received.
    PromoteUndrained,
    /// A primary does not hear of a newer epoch.
    DeafToNewerEpochs,
    /// A member leaves its fence without moving the ledger.
    UnfenceWithoutSwap,
    /// A swap without an answer is taken for lost.
    UndecidedIsLost,
    /// Lost members are taken out without having been cut.
    ShrinkWithoutCutting,
    /// A member takes over on its own word alone.
    OwnPromiseAlone,
    /// A deposed primary is started as if it had never written.
    RejoinWithItsTail,
    /// Nobody is ever taken back into the set: nothing is lost, and nothing heals.
    NeverGrow,
    /// A wakened primary whose server runs takes its office for granted.
    ReclaimWithoutBump,
}

/// All of them.
pub const MUTATIONS: [Mutation; 10] = [
    Mutation::AnswerBeforeAcknowledged,
    Mutation::PromoteUndrained,
    Mutation::DeafToNewerEpochs,
    Mutation::UnfenceWithoutSwap,
    Mutation::UndecidedIsLost,
    Mutation::ShrinkWithoutCutting,
    Mutation::OwnPromiseAlone,
    Mutation::RejoinWithItsTail,
    Mutation::NeverGrow,
    Mutation::ReclaimWithoutBump,
];

/// The core's decision, mutated.
pub(crate) fn decide(mutation: Option<Mutation>, view: &View) -> Decision {
    let decision = core(view);
    let (Some(mutation), Some(document)) = (mutation, &view.document) else {
        return decision;
    };
    match (mutation, &decision.reason) {
        (Mutation::PromoteUndrained, Reason::Drains { .. }) => core(&applied(view)),
        (Mutation::OwnPromiseAlone, Reason::WaitsForPromises { .. })
            if document.in_sync.contains_key(&view.me) =>
        {
            let mut alone = view.clone();
            if let Some(document) = &mut alone.document {
                document.in_sync.retain(|node, _| *node == view.me);
            }
            core(&alone)
        }
        (Mutation::UnfenceWithoutSwap, Reason::ReturnsTo { .. } | Reason::WakesFenced) => {
            let mut free = view.clone();
            free.memory.promise = None;
            free.memory.woke = Some((document.rev.saturating_sub(1), document.epoch));
            core(&free)
        }
        (Mutation::RejoinWithItsTail, Reason::Rewinds { .. }) => {
            let action = Action::Start(cluster::StartAs::Ordinary);
            let actions = vec![Action::SetMark(cluster::Mark::Clean), action];
            Decision {
                actions,
                ..decision
            }
        }
        _ => without(mutation, decision),
    }
}

/// Takes actions out, or changes them.
fn without(mutation: Mutation, mut decision: Decision) -> Decision {
    if mutation == Mutation::ReclaimWithoutBump {
        for action in &mut decision.actions {
            if let Action::Swap {
                next,
                intent: Intent::Reclaim,
            } = action
            {
                // Taken for won without being made: see `swaps`.
                next.rev = next.rev.saturating_sub(1);
            }
        }
    }
    decision.actions.retain(|action| match (mutation, action) {
        (Mutation::ShrinkWithoutCutting, Action::Cut(_)) => {
            !matches!(decision.reason, Reason::Shrinks { .. })
        }
        (
            Mutation::NeverGrow,
            Action::Swap {
                intent: Intent::Grow,
                ..
            },
        ) => false,
        _ => true,
    });
    decision
}

/// Everything received counts as applied.
fn applied(view: &View) -> View {
    let mut believed = view.clone();
    if let Server::Running(running) = &mut believed.server {
        running.salvage = false;
        if let Some(promise) = &view.memory.promise {
            running.received = running.received.joined(&promise.received);
        }
        running.applied = running.received.clone();
        running.written = running.received.clone();
    }
    believed
}

/// What an agent makes of a newer document.
pub(crate) fn hears_of(mutation: Option<Mutation>, view: &View, document: &Document) -> bool {
    let own = view.document.as_ref().filter(|own| own.primary == view.me);
    !(mutation == Some(Mutation::DeafToNewerEpochs)
        && own.is_some_and(|own| own.epoch < document.epoch))
}

/// What the core is told of an outcome.
pub(crate) fn outcome(mutation: Option<Mutation>, action: &Action, outcome: Outcome) -> Outcome {
    match (mutation, action, &outcome) {
        (Some(Mutation::UndecidedIsLost), Action::Swap { .. }, Outcome::Undecided) => {
            Outcome::Failed("lost".into())
        }
        _ => outcome,
    }
}

/// A swap that is not made, and is taken for won.
pub(crate) fn swaps(mutation: Option<Mutation>, action: &Action) -> Option<Outcome> {
    let reclaims = matches!(
        action,
        Action::Swap {
            intent: Intent::Reclaim,
            ..
        }
    );
    (mutation == Some(Mutation::ReclaimWithoutBump) && reclaims).then_some(Outcome::Won)
}
