//! An agent's loop: refresh, look, decide, act, publish. A mirror of the keeper's `keeper.rs`; it decides nothing
//! itself, the core does.

mod act;
mod publish;
mod refresh;
mod stuck;

use std::rc::Rc;

use cluster::{Action, Document, Millis, Reason};

use crate::agent::Doing;
use crate::event::{Id, Life, Stir};
use crate::mutation;
use crate::story::brief;
use crate::world::World;

const PUBLISH_PACE: Millis = 100;
const REST: Millis = 250;

impl World {
    /// Something stirs an agent.
    pub(crate) fn stirred(&mut self, me: Id, what: Stir) {
        match what {
            Stir::Wake { wait } => self.woken(me, wait),
            Stir::News => self.heard(me),
            Stir::Looked => self.looked(me),
            Stir::Work { work } => self.work_on(me, work),
            Stir::Answer { work, outcome } => self.answered(me, work, &outcome),
            Stir::Document(document) => self.told_document(me, &document),
            Stir::ServerEnded { server } => self.server_ended(me, server),
            Stir::Probe { server } => self.probe(me, server),
            Stir::Probed { server } => self.probed(me, server),
            Stir::Talk { to, turn } => self.talk(me, to, turn),
            Stir::Letter { from, letter, call } => self.letter(me, from, &letter, call),
            Stir::Unanswered { to, call } => self.unanswered(me, to, call),
            Stir::Owed { to, call } => self.pay(me, Some((to, call))),
            Stir::Connect { server, attempt } => self.connect(me, server, attempt),
            Stir::Pulse => self.pulse(me),
        }
    }

    fn told_document(&mut self, me: Id, document: &Rc<Document>) {
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let known = agent.told_document.as_ref();
        if known.is_none_or(|known| known.rev < document.rev) {
            agent.told_document = Some((**document).clone());
            self.news(me);
        }
    }

    fn server_ended(&mut self, me: Id, server: Life) {
        if let Some(agent) = &mut self.nodes[me].agent
            && let Some(alive) = agent.alive.as_mut().filter(|a| a.server == server)
        {
            alive.ended = true;
            self.news(me);
        }
    }

    /// The top of the loop.
    pub(crate) fn begin_turn(&mut self, me: Id) {
        self.take_request(me);
        self.refresh(me);
        let takes = self.look_takes(me);
        if let Some(agent) = &mut self.nodes[me].agent {
            agent.doing = Doing::Looks;
        }
        self.stir_after(me, takes, Stir::Looked);
    }

    fn woken(&mut self, me: Id, wait: Life) {
        let Some(agent) = &self.nodes[me].agent else {
            return;
        };
        match agent.doing {
            Doing::Waits(own) if own == wait => self.begin_turn(me),
            Doing::Rests {
                wait: own, until, ..
            } if own == wait => {
                if self.now >= until {
                    self.begin_turn(me);
                } else {
                    self.rest_on(me, wait, until);
                    self.rests(me);
                }
            }
            Doing::Acts(ref work) if work.id == wait => {
                let pace = self.nodes[me].clock.takes(PUBLISH_PACE);
                self.stir_after(me, pace, Stir::Wake { wait });
                self.meanwhile(me);
            }
            _ => {}
        }
    }

    /// News: what a waiting loop looks at, and an acting one takes note of.
    fn heard(&mut self, me: Id) {
        self.nodes[me].is_stirred = false;
        let Some(agent) = &self.nodes[me].agent else {
            return;
        };
        match agent.doing {
            Doing::Waits(_) => self.begin_turn(me),
            Doing::Looks => self.nodes[me].heard_more = true,
            Doing::Acts(_) => self.meanwhile(me),
            Doing::Rests { .. } => self.rests(me),
        }
    }

    /// The look is over: decides.
    fn looked(&mut self, me: Id) {
        let is_looking = self.nodes[me].agent.as_ref();
        if is_looking.is_none_or(|agent| agent.doing != Doing::Looks) {
            return;
        }
        self.look(me);
        self.settle_wish(me);
        let mutation = self.mutation;
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let decision = mutation::decide(mutation, &agent.view);
        self.decisions += 1;
        self.note(me, &decision.reason, &decision.actions);
        self.publish(me);
        self.release_stuck_commits(me);
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        if decision.actions.is_empty() {
            agent.backoff = 0;
            let tick = self.tick(me);
            self.wait(me, tick);
            if std::mem::take(&mut self.nodes[me].heard_more) {
                self.news(me);
            }
            return;
        }
        agent.plan = decision.actions.into();
        agent.ground = agent.stands_on();
        self.next_action(me);
    }

    fn wait(&mut self, me: Id, tick: Millis) {
        let node = &mut self.nodes[me];
        let takes = node.clock.takes(tick);
        let Some(agent) = &mut node.agent else {
            return;
        };
        let wait = agent.next_turn();
        agent.doing = Doing::Waits(wait);
        self.stir_after(me, takes, Stir::Wake { wait });
    }

    fn note(&mut self, me: Id, reason: &Reason, actions: &[Action]) {
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        agent.rests = matches!(
            reason,
            Reason::Serves { .. }
                | Reason::ServesAlone
                | Reason::Replicates { .. }
                | Reason::Witness
                | Reason::NotAMember
        );
        let kind = Some(std::mem::discriminant(reason));
        if agent.kind != kind {
            agent.kind = kind;
            agent.reason_since = agent.view.now;
        }
        let said = reason.to_string();
        let gist: String = said.chars().filter(|c| !c.is_ascii_digit()).collect();
        if gist != agent.gist {
            agent.gist = gist;
            agent.reason.clone_from(&said);
            let actions: Vec<_> = actions.iter().map(brief).collect();
            self.tell_of(me, || {
                if actions.is_empty() {
                    said
                } else {
                    format!("{said} [{}]", actions.join(", "))
                }
            });
        }
    }

    /// How soon to look again when nothing happens.
    fn tick(&mut self, me: Id) -> Millis {
        let Some(agent) = &self.nodes[me].agent else {
            return REST;
        };
        let view = &agent.view;
        if agent.rests {
            let ill = view
                .server
                .running()
                .is_some_and(|running| !running.health.is_ok());
            let left = view.timing.ill.saturating_sub(view.server_age());
            return if ill && left > 0 {
                left.min(REST)
            } else {
                REST
            };
        }
        let is_long = view.now.saturating_sub(agent.reason_since) > 2_000;
        if is_long {
            return PUBLISH_PACE;
        }
        self.spread(me, true);
        10
    }
}
