//! Faults planted in the core's decisions or in the world, to see that the simulator finds them. The core has
//! no switches for them: what goes in or what comes out is changed.

use cluster::{Action, Decision, Document, Intent, Reason, Server, View, decide as core};

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutation {
    /// A primary answers its clients before a replica has confirmed.
    AnswerBeforeAcknowledged,
    /// A candidate takes over before it has applied what it received.
    PromoteUndrained,
    /// A primary does not hear of a newer epoch.
    DeafToNewerEpochs,
    /// A member takes over on its own word alone.
    OwnPromiseAlone,
    /// Nobody is ever taken back into the set: nothing is lost, and nothing heals.
    NeverGrow,
}

/// All of them.
pub const MUTATIONS: [Mutation; 5] = [
    Mutation::AnswerBeforeAcknowledged,
    Mutation::PromoteUndrained,
    Mutation::DeafToNewerEpochs,
    Mutation::OwnPromiseAlone,
    Mutation::NeverGrow,
];

/// The core's decision, mutated.
pub(crate) fn decide(mutation: Option<Mutation>, view: &View) -> Decision {
    let mut decision = core(view);
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
        (Mutation::NeverGrow, _) => {
            decision.actions.retain(|action| !grows(action));
            decision
        }
        _ => decision,
    }
}

fn grows(action: &Action) -> bool {
    matches!(
        action,
        Action::Swap {
            intent: Intent::Grow,
            ..
        }
    )
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
