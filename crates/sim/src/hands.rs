//! How an agent's actions are carried out, in stages between which anything may happen: a mirror of the
//! keeper's `actor.rs` and `scribe.rs`.

mod clone;
mod disk;
mod process;
mod statement;

use std::rc::Rc;

use cluster::{Action, Outcome};

use crate::agent::{Admitted, Doing, Work};
use crate::clock::{MS, Micros};
use crate::event::{Event, Id, Life, Stir};
use crate::register::Wants;
use crate::story::brief;
use crate::world::World;

const AGAIN: Micros = 10 * MS;

/// What becomes of a stage.
enum Step {
    /// The next stage comes after so long.
    Next(Micros),
    /// This stage is tried again after so long.
    Again(Micros),
    /// The answer comes by itself.
    Pending,
    Done(Outcome),
}

use Step::{Again, Done, Next, Pending};

fn failed(why: &str) -> Step {
    Done(Outcome::Failed(why.to_owned()))
}

impl World {
    /// The next stage of the action under way.
    pub(crate) fn work_on(&mut self, me: Id, id: Life) {
        let Some(agent) = &self.nodes[me].agent else {
            return;
        };
        let work = match &agent.doing {
            Doing::Acts(work) if work.id == id => work.clone(),
            _ => return,
        };
        let (step, after) = match self.stage(me, &work) {
            Next(after) => (1, after),
            Again(after) => (0, after),
            Pending => return,
            Done(outcome) => return self.ended(me, &work.action, &outcome),
        };
        if let Some(agent) = &mut self.nodes[me].agent
            && let Doing::Acts(work) = &mut agent.doing
        {
            work.stage += step;
        }
        self.stir_after(me, after, Stir::Work { work: id });
    }

    pub(crate) fn answered(&mut self, me: Id, id: Life, outcome: &Outcome) {
        let agent = self.nodes[me].agent.as_ref();
        let work = match agent.map(|agent| &agent.doing) {
            Some(Doing::Acts(work)) if work.id == id => work.clone(),
            _ => return,
        };
        self.ended(me, &work.action, outcome);
    }

    /// An action that nobody waits for any more: a statement that was sent may be carried out all the same.
    pub(crate) fn forsake(&mut self, me: Id, work: &Work) {
        let Some(life) = self.nodes[me].agent.as_ref().map(|agent| agent.life) else {
            return;
        };
        if let Some(server) = &mut self.nodes[me].server {
            // Closing is withdrawn.
            server.closing = false;
        }
        let was_sent = matches!(
            work.action,
            Action::SetMark(_) | Action::SemiSync(_) | Action::Open
        );
        if !was_sent || self.dice.percent(40) {
            return;
        }
        let server = self.nodes[me].server.as_ref().map_or(0, |s| s.life);
        let action = Box::new(work.action.clone());
        let event = Event::Orphan {
            me,
            agent: life,
            server,
            action,
        };
        self.schedule.at(self.now + MS, event);
    }

    pub(crate) fn orphan(&mut self, me: Id, agent: Life, life: Life, action: Box<Action>) {
        let own = self.nodes[me].agent.as_ref().map(|agent| agent.life);
        let Some(server) = &self.nodes[me].server else {
            return;
        };
        if server.life != life {
            return;
        }
        let is_disk = matches!(*action, Action::SetMark(_));
        if is_disk && own != Some(agent) {
            return;
        }
        if !server.writes() || (is_disk && self.nodes[me].is_frozen) {
            let event = Event::Orphan {
                me,
                agent,
                server: life,
                action,
            };
            self.schedule.at(self.now + 5 * AGAIN, event);
            return;
        }
        let text = brief(&action);
        self.tell_of(me, || {
            format!("  {text}: takes effect though it was given up")
        });
        match *action {
            Action::SetMark(mark) => self.set_mark(me, mark),
            Action::Open => self.open(me),
            Action::SemiSync(on) => self.switch_semi_sync(me, on),
            _ => {}
        }
    }

    fn stage(&mut self, me: Id, work: &Work) -> Step {
        match &work.action {
            Action::ReadLedger => self.asks_ledger(me, work.id, Wants::Read),
            Action::Swap { next, .. } => {
                self.asks_ledger(me, work.id, Wants::Swap(Rc::new((**next).clone())))
            }
            Action::Admit {
                node,
                epoch,
                mode,
                stamp,
            } => {
                let admitted = Admitted {
                    epoch: *epoch,
                    mode: *mode,
                    stamp: *stamp,
                };
                let replica = self.id_of(node);
                self.admit(me, replica, Some(admitted))
            }
            Action::Cut(node) => {
                let replica = self.id_of(node);
                self.admit(me, replica, None)
            }
            Action::SetMark(mark) => {
                self.on_disk(me, work.stage, |world| world.set_mark(me, *mark))
            }
            Action::Renounce(mark) => self.renounce(me, work.stage, *mark),
            Action::Assume
            | Action::BeginGrow { .. }
            | Action::EndGrow
            | Action::BeginHandover(_)
            | Action::EndHandover
            | Action::EndWish(_) => Done(Outcome::Done),
            Action::Start(start_as) => self.start(me, work, *start_as),
            Action::Kill => self.kills(me, work),
            Action::Clone { from } => {
                let from = self.id_of(from);
                self.clone_data(me, from, work)
            }
            action => self.statement(me, work, action),
        }
    }

    fn asks_ledger(&mut self, me: Id, work: Life, wants: Wants) -> Step {
        if let Some(life) = self.nodes[me].agent.as_ref().map(|agent| agent.life) {
            self.ask_ledger(me, Some((life, work)), wants);
        }
        Pending
    }

    fn admit(&mut self, me: Id, replica: Id, admitted: Option<Admitted>) -> Step {
        let Some(agent) = &mut self.nodes[me].agent else {
            return Pending;
        };
        let before = match admitted {
            Some(admitted) => agent.admitted.insert(replica, admitted),
            None => agent.admitted.remove(&replica),
        };
        if before != admitted {
            self.cut_streams(me, replica);
        }
        Done(Outcome::Done)
    }
}
