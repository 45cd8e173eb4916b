//! Carrying out what was decided, one step after the other, while the picture goes on being published. A
//! mirror of the keeper's `act.rs`.

use cluster::{Action, Intent, Outcome};

use super::PUBLISH_PACE;
use crate::agent::{Doing, Work};
use crate::clock::{MS, Micros, SECOND};
use crate::event::{Id, Life, Stir};
use crate::mutation;
use crate::world::World;

const BACKOFF_FIRST: Micros = 20 * MS;
const BACKOFF_LIMIT: Micros = SECOND;

/// What may end an action before its own end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Patience {
    Endless,
    UntilDeposed,
    UntilIll,
}

impl World {
    /// Begins the next action of the plan.
    pub(super) fn next_action(&mut self, me: Id) {
        let now = self.now;
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let Some(action) = agent.plan.pop_front() else {
            self.begin_turn(me);
            return;
        };
        if let Some(with) = busy_with(&action) {
            agent.sees(cluster::Server::Busy(with.into()));
        }
        let id = agent.next_turn();
        agent.doing = Doing::Acts(Work {
            id,
            action,
            stage: 0,
            began: now,
        });
        self.publish(me);
        self.work_on(me, id);
        let pace = self.nodes[me].clock.takes(PUBLISH_PACE);
        self.stir_after(me, pace, Stir::Wake { wait: id });
    }

    /// While an action runs: publishes, and gives up what has become void.
    pub(super) fn meanwhile(&mut self, me: Id) {
        self.refresh(me);
        let is_ill = self.notices(me);
        self.publish(me);
        let Some(agent) = &self.nodes[me].agent else {
            return;
        };
        let Doing::Acts(work) = &agent.doing else {
            return;
        };
        let (work, patience) = (work.clone(), patience(&work.action));
        let document = agent.view.document.as_ref();
        let deposed = document
            .filter(|d| agent.ground.was_primary && d.primary != agent.view.me)
            .map(|d| d.primary.clone());
        let why = match deposed {
            Some(by) if patience != Patience::Endless => format!("{by} is the primary now"),
            _ if is_ill && patience == Patience::UntilIll => {
                "the server does not answer any more".to_owned()
            }
            _ => return,
        };
        let outcome = match work.action {
            Action::Swap { .. } => Outcome::Undecided,
            _ => Outcome::Failed(format!("given up: {why}")),
        };
        self.forsake(me, &work);
        self.ended(me, &work.action, &outcome);
    }

    /// An action has come to its end.
    pub(crate) fn ended(&mut self, me: Id, action: &Action, outcome: &Outcome) {
        let failed = matches!(outcome, Outcome::Failed(_));
        self.actions += 1;
        let goes_on = self.take_note(me, action, outcome);
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        if failed {
            agent.backoff = (agent.backoff * 2).clamp(BACKOFF_FIRST, BACKOFF_LIMIT);
            let (until, rev) = (self.now + agent.backoff, agent.rev());
            let wait = agent.next_turn();
            agent.doing = Doing::Rests { wait, until, rev };
            self.rest_on(me, wait, until);
            return;
        }
        if !goes_on || agent.rev() != agent.ground.rev {
            self.begin_turn(me);
        } else {
            self.next_action(me);
        }
    }

    /// A rest after a failure goes on until its end, and publishes meanwhile.
    pub(super) fn rest_on(&mut self, me: Id, wait: Life, until: Micros) {
        let pace = self.nodes[me].clock.takes(PUBLISH_PACE);
        let pause = (until - self.now).min(pace);
        self.stir_after(me, pause, Stir::Wake { wait });
    }

    /// Whatever makes another decision likely ends a rest.
    pub(super) fn rests(&mut self, me: Id) {
        self.refresh(me);
        self.publish(me);
        let Some(agent) = &self.nodes[me].agent else {
            return;
        };
        let Doing::Rests { rev, .. } = agent.doing else {
            return;
        };
        if agent.request.is_some() || agent.rev() != rev || self.differs(me) {
            self.begin_turn(me);
        }
    }

    /// Notes what came of an action. False: the rest of the plan must be decided anew.
    fn take_note(&mut self, me: Id, action: &Action, outcome: &Outcome) -> bool {
        self.refresh(me);
        self.story_of_action(me, action, outcome);
        let (now, mutation) = (self.now, self.mutation);
        let Some(agent) = &mut self.nodes[me].agent else {
            return false;
        };
        let view = agent.view.clone();
        agent.view.memory.performed(&view, action, outcome);
        match (action, outcome) {
            (Action::Swap { next, intent }, Outcome::Won) => {
                agent.learn(next);
                if matches!(intent, Intent::Promote | Intent::Force) {
                    agent.view.wish = None;
                }
            }
            (_, Outcome::Lost(document) | Outcome::Read(document))
                if mutation::hears_of(mutation, &agent.view, document) =>
            {
                agent.learn(document);
            }
            (Action::EndWish(_), _) => agent.view.wish = None,
            _ => {}
        }
        agent.missed = None;
        if let (Action::Salvage, Outcome::Failed(why)) = (action, outcome) {
            agent.unsalvaged = (agent.unsalvaged.0.saturating_add(1), why.clone());
        }
        let kills = matches!(action, Action::Kill);
        let ends = kills && *outcome == Outcome::Done;
        if ends || matches!(action, Action::Clone { .. }) {
            agent.alive = None;
            agent.view.memory.server_ended();
        } else if kills && let Some(alive) = &mut agent.alive {
            alive.killed = Some(now);
        }
        match (action, outcome) {
            (_, Outcome::Failed(_)) => {
                self.publish(me);
                return false;
            }
            (_, Outcome::Lost(_) | Outcome::Undecided) => return false,
            (Action::SemiSync(true), Outcome::Done) => self.semi_sync_is_on(me),
            _ => {}
        }
        let Some(agent) = &mut self.nodes[me].agent else {
            return false;
        };
        agent.backoff = 0;
        !agent.has_ended()
    }
}

fn patience(action: &Action) -> Patience {
    match action {
        Action::Swap { .. } => Patience::UntilDeposed,
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

/// A long action is shown as what the server is busy with.
fn busy_with(action: &Action) -> Option<&'static str> {
    match action {
        Action::Start(_) => Some("starting"),
        Action::Kill => Some(cluster::Server::ENDING),
        Action::Salvage => Some("applying its relay log"),
        Action::SaveTail(_) => Some("saving what the cluster does not have"),
        Action::Clone { .. } => Some("cloning"),
        _ => None,
    }
}
