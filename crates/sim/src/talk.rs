//! Heartbeats: a mirror of the keeper's `gossip.rs`. Letters four times a second at rest, at once when
//! something changed, and as fast as answers come while an agent waits for others. At rest one of two asks.

use std::rc::Rc;

use cluster::{Millis, NodeName};

use crate::clock::{MS, Micros};
use crate::event::{Call, Event, Id, Life, Stir};
use crate::letter::Letter;
use crate::world::World;

const PACE: Millis = 250;
const WITNESS_PACE: Millis = 500;
const LATENESS: Millis = 70;
const CALL_LIMIT: Millis = 800;
const AFTER_SILENCE: Millis = 50;
const FRESH_LIMIT: Millis = 100;

/// Who of two asks at rest, and how often.
struct Turn {
    asks: bool,
    pace: Millis,
}

impl World {
    fn turn_with(&self, me: Id, to: Id) -> Turn {
        let agent = self.nodes[me].agent.as_ref();
        let Some(document) = agent.and_then(|agent| agent.view.document.as_ref()) else {
            return Turn {
                asks: true,
                pace: PACE,
            };
        };
        let (own, node): (&NodeName, &NodeName) = (&self.names[me], &self.names[to]);
        let witness = document.is_witness(own) || document.is_witness(node);
        Turn {
            asks: document.primary == *own || (document.primary != *node && own < node),
            pace: if witness { WITNESS_PACE } else { PACE },
        }
    }

    fn silence_of(&self, me: Id, to: Id) -> Millis {
        let now = self.shows(me);
        let agent = self.nodes[me].agent.as_ref();
        let heard = agent.and_then(|agent| agent.board.heard(to));
        heard.map_or(u64::MAX, |at| now.saturating_sub(at))
    }

    /// Begins the conversations with all members that the document names.
    pub(crate) fn follow_members(&mut self, me: Id) {
        let Some(agent) = &self.nodes[me].agent else {
            return;
        };
        let Some(document) = &agent.view.document else {
            return;
        };
        let missing: Vec<_> = document
            .members
            .keys()
            .map(|name| self.id_of(name))
            .filter(|to| *to != me && !agent.talks.contains_key(to))
            .collect();
        for to in missing {
            if let Some(agent) = &mut self.nodes[me].agent {
                agent.talks.insert(to, crate::agent::Talk::default());
            }
            self.pause_talk(me, to, 0);
        }
    }

    fn pause_talk(&mut self, me: Id, to: Id, least: Millis) {
        let turn = self.turn_with(me, to);
        let left = (turn.pace + LATENESS).saturating_sub(self.silence_of(me, to));
        let pause = if left == 0 || turn.asks {
            turn.pace
        } else {
            left.max(10)
        };
        let now = self.now;
        let node = &mut self.nodes[me];
        let takes = node.clock.takes(pause.max(least));
        let Some(agent) = &mut node.agent else {
            return;
        };
        let next = agent.next_turn();
        let Some(talk) = agent.talks.get_mut(&to) else {
            return;
        };
        talk.turn = next;
        talk.is_asking = false;
        // What became new meanwhile is told without a pause.
        let takes = if talk.news || talk.hurry {
            least * MS
        } else {
            takes
        };
        let life = agent.life;
        let what = Stir::Talk { to, turn: next };
        self.schedule
            .at(now + takes, Event::Agent { me, life, what });
    }

    /// Tells every peer at once that something changed; with `fresh`, also asks for its newest word.
    pub(crate) fn spread(&mut self, me: Id, fresh: bool) {
        let now = self.now;
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let life = agent.life;
        for (to, talk) in &mut agent.talks {
            talk.hurry |= fresh;
            talk.news |= !fresh;
            if !talk.is_asking {
                let what = Stir::Talk {
                    to: *to,
                    turn: talk.turn,
                };
                self.schedule.at(now, Event::Agent { me, life, what });
            }
        }
    }

    /// A pause is over: asks, or goes on listening.
    pub(crate) fn talk(&mut self, me: Id, to: Id, turn: Life) {
        let asks = self.turn_with(me, to);
        let is_silent = self.silence_of(me, to) >= asks.pace + LATENESS;
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let Some(talk) = agent.talks.get_mut(&to).filter(|talk| talk.turn == turn) else {
            return;
        };
        if talk.is_asking {
            return;
        }
        if !talk.news && !talk.hurry && !asks.asks && !is_silent {
            self.pause_talk(me, to, 0);
            return;
        }
        let fresh = std::mem::take(&mut talk.hurry);
        talk.news = false;
        talk.is_asking = true;
        agent.turns += 1;
        let call = agent.turns;
        if let Some(talk) = agent.talks.get_mut(&to) {
            talk.turn = call;
        }
        let life = agent.life;
        let limit = self.nodes[me].clock.takes(CALL_LIMIT);
        let what = Stir::Unanswered { to, call };
        self.schedule
            .at(self.now + limit, Event::Agent { me, life, what });
        self.post(me, to, Call::Question { call, fresh });
    }

    /// Nobody answered in time.
    pub(crate) fn unanswered(&mut self, me: Id, to: Id, call: Life) {
        let agent = self.nodes[me].agent.as_ref();
        let talk = agent.and_then(|agent| agent.talks.get(&to));
        if talk.is_some_and(|talk| talk.is_asking && talk.turn == call) {
            self.pause_talk(me, to, AFTER_SILENCE);
        }
    }

    /// Sends a letter.
    fn post(&mut self, from: Id, to: Id, call: Call) {
        let shown = self.shows(from);
        let Some(agent) = &mut self.nodes[from].agent else {
            return;
        };
        let picture = &agent.picture;
        let mut report = picture.report.clone();
        let since = shown.saturating_sub(picture.now);
        for age in report.hears.values_mut() {
            *age += since;
        }
        let rev = picture.document.as_ref().map(|document| document.rev);
        if agent.board.rev_of(to) != rev {
            report.document.clone_from(&picture.document);
        }
        agent.sequence += 1;
        let letter = Rc::new(Letter {
            incarnation: agent.life,
            sequence: agent.sequence,
            rev,
            report,
        });
        self.letters += 1;
        let copies = 1 + u64::from(self.dice.per_mille(self.network.twice));
        for _ in 0..copies {
            let takes = self.network.takes(&mut self.dice) + self.dice.between(50, 400);
            self.carry(from, to, takes, Rc::clone(&letter), call);
        }
    }

    fn carry(&mut self, from: Id, to: Id, takes: Micros, letter: Rc<Letter>, call: Call) {
        if !self.network.passes(from, to) {
            return;
        }
        let what = Stir::Letter { from, letter, call };
        self.stir_after(to, takes, what);
    }

    /// A letter has come.
    pub(crate) fn letter(&mut self, me: Id, from: Id, letter: &Letter, call: Call) {
        // Why: an answer needs the way back for the acknowledgement of its bytes as well.
        if !self.network.passes(from, me) {
            return;
        }
        let now = self.shows(me);
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let is_news = agent.board.post(from, letter, now);
        match call {
            Call::Question { call, fresh: false } => self.post(me, from, Call::Answer { call }),
            Call::Question { call, fresh: true } => {
                agent.owed.push((from, call));
                let takes = self.nodes[me].clock.takes(FRESH_LIMIT);
                self.stir_after(me, takes, Stir::Owed { to: from, call });
                self.news(me);
            }
            Call::Answer { call } => {
                let talk = agent.talks.get(&from);
                if talk.is_some_and(|talk| talk.is_asking && talk.turn == call) {
                    self.pause_talk(me, from, 0);
                    self.news(me);
                }
            }
        }
        if is_news {
            self.news(me);
        }
    }

    /// Whoever asked for the newest word gets it: all of them, or one whose patience is at its end.
    pub(crate) fn pay(&mut self, me: Id, one: Option<(Id, Life)>) {
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let due: Vec<_> = match one {
            None => std::mem::take(&mut agent.owed),
            Some(one) => {
                let is_owed = agent.owed.contains(&one);
                agent.owed.retain(|owed| *owed != one);
                is_owed.then_some(one).into_iter().collect()
            }
        };
        for (to, call) in due {
            self.post(me, to, Call::Answer { call });
        }
    }
}
