//! Carrying out what was decided, one step after the other, while the picture goes on being published.
//! What is no longer true ends a round: whatever remains is decided anew.

use std::sync::PoisonError;
use std::time::Duration;

use cluster::{Action, Intent, NodeName, Outcome, Rev};
use tokio::time::Instant;

use super::{BACKOFF_LIMIT, Keeper, PUBLISH_PACE};
use crate::journal;
use crate::signal::Signals;
use crate::slot::Slot;

const FIRST_BACKOFF: Duration = Duration::from_millis(20);

/// What may end an action before its own end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Nothing: it is what is urgent, or it takes long by its nature, or it is done at once.
    Endless,
    /// Another primary. A swap that is given up counts as undecided.
    UntilDeposed,
    /// Also the end or an illness of the server that it works on.
    UntilIll,
}

/// What a round was begun on.
struct Ground {
    rev: Option<Rev>,
    was_primary: bool,
}

impl Keeper {
    /// Carries out the steps of one decision, until one fails or is overtaken.
    pub(super) async fn carry_out_all(&mut self, actions: Vec<Action>, signals: &mut Signals) {
        let ground = self.ground();
        for action in actions {
            let outcome = self.carry_out(&action, &ground, signals).await;
            crate::rehearsal::may_end_after(&action);
            let failed = matches!(outcome, Outcome::Failed(_));
            let go_on = self.take_note(&action, outcome);
            if failed {
                self.pause(signals).await;
            }
            // Why: the next step was decided on a document that is no longer the newest.
            if !go_on || self.ground().rev != ground.rev {
                return;
            }
        }
        self.works_again();
    }

    /// What failed last works, or is no longer needed.
    fn works_again(&mut self) {
        self.backoff = Duration::ZERO;
        self.extras.trouble = None;
        self.failing = None;
    }

    fn ground(&self) -> Ground {
        let document = self.view.document.as_ref();
        Ground {
            rev: document.map(|document| document.rev),
            was_primary: document.is_some_and(|document| document.primary == self.view.me),
        }
    }

    async fn carry_out(
        &mut self,
        action: &Action,
        ground: &Ground,
        signals: &mut Signals,
    ) -> Outcome {
        Slot::begins(&mut self.view, action);
        if matches!(action, Action::BeginHandover(_)) {
            self.held_since = Some(self.shared.clock.now());
        }
        self.publish();
        let patience = patience(action);
        let performed = self
            .actor
            .clone()
            .perform(self.view.clone(), action.clone());
        let mut work = std::pin::pin!(performed);
        loop {
            tokio::select! {
                biased;
                outcome = &mut work => return outcome,
                () = signals.wait(&self.shared, &mut self.slot, PUBLISH_PACE) => {}
            }
            self.refresh();
            let is_ill = self.slot.notice(&mut self.view) && patience == Patience::UntilIll;
            self.publish();
            if let Some(by) = self.deposed_by(ground)
                && patience != Patience::Endless
            {
                return given_up(action, &format!("{by} is the primary now"));
            }
            if is_ill {
                return given_up(action, "the server does not answer any more");
            }
        }
    }

    /// Another primary since the round was begun.
    fn deposed_by(&self, ground: &Ground) -> Option<NodeName> {
        let document = self.view.document.as_ref()?;
        (ground.was_primary && document.primary != self.view.me).then(|| document.primary.clone())
    }

    /// Notes what came of an action. False: the rest of the steps must be decided anew.
    fn take_note(&mut self, action: &Action, outcome: Outcome) -> bool {
        self.refresh();
        self.view
            .memory
            .performed(&self.view.clone(), action, &outcome);
        match (action, &outcome) {
            (Action::Swap { next, intent }, Outcome::Won) => {
                self.learn(next);
                if matches!(intent, Intent::Promote | Intent::Force) {
                    self.view.wish = None;
                }
            }
            (_, Outcome::Lost(document) | Outcome::Read(document)) => self.learn(document),
            (Action::Open, Outcome::Done) => self.opened(),
            (Action::SemiSync(true), Outcome::Done) => self.semi_sync_is_on(),
            (Action::EndWish(ending), _) => self.end_wish(ending.clone()),
            (Action::Clone { .. }, _) => {
                *self
                    .actor
                    .progress
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = None;
            }
            _ => {}
        }
        self.slot.ended_action(&mut self.view, action, &outcome);
        if let Outcome::Failed(why) = outcome {
            let action = journal::name(action);
            if self.extras.trouble.as_ref() != Some(&why) {
                tracing::warn!(action = &*action, "not done: {why}");
            }
            self.extras.trouble = Some(why);
            self.failing = Some(action);
            self.publish();
            return false;
        }
        if matches!(outcome, Outcome::Lost(_) | Outcome::Undecided) {
            return false;
        }
        // Why not always: the step before the one that fails works each time, and must not hide that.
        if self.failing.is_none() || self.failing == Some(journal::name(action)) {
            self.works_again();
        }
        !self.slot.has_ended()
    }

    /// A moment's rest after a failure, ended by whatever makes another decision likely.
    async fn pause(&mut self, signals: &mut Signals) {
        self.backoff = (self.backoff * 2).clamp(FIRST_BACKOFF, BACKOFF_LIMIT);
        let until = Instant::now() + self.backoff;
        let rev = self.ground().rev;
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(until) => return,
                () = signals.wait(&self.shared, &mut self.slot, PUBLISH_PACE) => {}
            }
            self.refresh();
            self.publish();
            let asked = !self.requests.is_empty();
            if asked || self.ground().rev != rev || self.slot.differs(&self.view) {
                return;
            }
        }
    }
}

fn patience(action: &Action) -> Patience {
    match action {
        Action::Swap { .. } => Patience::UntilDeposed,
        // Why also what is written to disk: it goes on by itself, and the disk may hang.
        Action::SetMark(_)
        | Action::Renounce(_)
        | Action::StopReceiving { .. }
        | Action::Follow(_)
        | Action::Promote
        | Action::Demote
        | Action::SemiSync(_)
        | Action::NoteEnd(_)
        | Action::Open
        | Action::Close => Patience::UntilIll,
        _ => Patience::Endless,
    }
}

fn given_up(action: &Action, why: &str) -> Outcome {
    match action {
        Action::Swap { .. } => Outcome::Undecided,
        _ => Outcome::Failed(format!("given up: {why}")),
    }
}
