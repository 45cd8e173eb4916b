//! The fake ledger: one document, compare-and-swap, a leader without whom nothing moves. A swap may be
//! answered, or land and nobody says so, or land at any later moment or never, and then it is undecided.

use std::rc::Rc;

use cluster::{Document, Outcome};

use crate::clock::{MS, Micros, SECOND};
use crate::event::{Event, Id, Life, Stir};
use crate::world::World;

/// Limits of the keeper's `scribe.rs`.
const READ_LIMIT: Micros = SECOND;
const SWAP_LIMIT: Micros = 3 * SECOND;
const AGAIN: Micros = 40 * MS;
/// The newest document is told to those who reach the ledger this often.
const SPREAD_PACE: Micros = 300 * MS;

/// The ledger.
pub(crate) struct Register {
    pub(crate) document: Rc<Document>,
    leader: Option<Id>,
    elected: Micros,
    ops: std::collections::BTreeMap<Life, Op>,
    asked: Life,
    /// Swaps on their way of which nobody knows.
    pub(crate) floating: Vec<Rc<Document>>,
    /// Nobody gets an answer.
    pub(crate) outage: u32,
    /// How many times slower than usual.
    pub(crate) slowness: u64,
    /// So many swaps of a hundred get no answer.
    pub(crate) unsaid: u64,
    pub(crate) landed: u64,
    pub(crate) undecided: u64,
}

/// A request under way.
#[derive(Clone)]
struct Op {
    by: Id,
    /// The agent that waits for the answer, and its work; none: the operator's edit.
    waits: Option<(Life, Life)>,
    wants: Wants,
    until: Micros,
}

/// What is asked.
#[derive(Clone)]
pub(crate) enum Wants {
    Read,
    Swap(Rc<Document>),
    /// The operator suspends or resumes automatic changes.
    Paused(bool),
}

impl Register {
    pub(crate) fn new(document: Document) -> Self {
        Self {
            document: Rc::new(document),
            leader: None,
            elected: 0,
            ops: std::collections::BTreeMap::new(),
            asked: 0,
            floating: Vec::new(),
            outage: 0,
            slowness: 1,
            unsaid: 0,
            landed: 0,
            undecided: 0,
        }
    }

    /// The swaps that may still come to land.
    pub(crate) fn pending(&self) -> impl Iterator<Item = &Rc<Document>> {
        let asked = self.ops.values().filter_map(|op| match &op.wants {
            Wants::Swap(document) => Some(document),
            _ => None,
        });
        self.floating.iter().chain(asked)
    }
}

impl World {
    /// A node asks the ledger something.
    pub(crate) fn ask_ledger(&mut self, by: Id, waits: Option<(Life, Life)>, wants: Wants) {
        self.register.asked += 1;
        let op = self.register.asked;
        let limit = match wants {
            Wants::Read => READ_LIMIT,
            _ => SWAP_LIMIT,
        };
        let until = self.now + limit;
        let asked = Op {
            by,
            waits,
            wants,
            until,
        };
        self.register.ops.insert(op, asked);
        let takes = self.dice.between(100, 600);
        self.schedule.at(self.now + takes, Event::Propose { op });
    }

    /// It reaches a majority of the voters, there and back, and their agents move.
    fn leads(&self, me: Id) -> bool {
        let votes = (0..self.nodes.len())
            .filter(|other| self.nodes[*other].moves() && self.network.joins(me, *other));
        self.nodes[me].moves() && votes.count() * 2 > self.nodes.len()
    }

    /// The leader, if there is one by now; an election takes a while.
    fn leader(&mut self) -> Option<Id> {
        if self.register.outage > 0 {
            return None;
        }
        if let Some(leader) = self.register.leader
            && self.leads(leader)
        {
            return (self.now >= self.register.elected).then_some(leader);
        }
        // The witness is preferred: it is the last one.
        let next = (0..self.nodes.len()).rev().find(|me| self.leads(*me));
        let takes = if self.register.leader.is_some() {
            self.dice.between(200 * MS, 1_500 * MS)
        } else {
            0
        };
        self.register.leader = next;
        self.register.elected = self.now + takes;
        None
    }

    fn reaches_leader(&mut self, me: Id) -> bool {
        let Some(leader) = self.leader() else {
            return false;
        };
        self.nodes[me].moves() && self.network.joins(me, leader)
    }

    pub(crate) fn propose(&mut self, op: Life) {
        let Some(asked) = self.register.ops.get(&op) else {
            return;
        };
        let (by, until) = (asked.by, asked.until);
        if self.reaches_leader(by) {
            let takes = self.dice.between(800, 4_000) * self.register.slowness;
            self.schedule.at(self.now + takes, Event::Commit { op });
        } else if self.now >= until {
            self.give_up(op);
        } else {
            self.schedule.at(self.now + AGAIN, Event::Propose { op });
        }
    }

    /// No answer in time.
    fn give_up(&mut self, op: Life) {
        let Some(asked) = self.register.ops.remove(&op) else {
            return;
        };
        let outcome = match asked.wants {
            Wants::Read => Outcome::Failed("no answer from the ledger in time".into()),
            Wants::Swap(_) | Wants::Paused(_) => Outcome::Undecided,
        };
        self.answer(&asked, outcome, 0);
    }

    fn answer(&mut self, asked: &Op, outcome: Outcome, after: Micros) {
        if outcome == Outcome::Undecided {
            self.register.undecided += 1;
        }
        let Some((life, work)) = asked.waits else {
            return;
        };
        let outcome = Box::new(outcome);
        let what = Stir::Answer { work, outcome };
        let event = Event::Agent {
            me: asked.by,
            life,
            what,
        };
        self.schedule.at(self.now + after, event);
    }

    pub(crate) fn commit(&mut self, op: Life) {
        let Some(asked) = self.register.ops.get(&op).cloned() else {
            return;
        };
        let is_late = self.now >= asked.until;
        let reaches = self.reaches_leader(asked.by);
        let unsaid = self.dice.percent(self.register.unsaid);
        match &asked.wants {
            Wants::Read if is_late => self.give_up(op),
            Wants::Read if reaches => {
                self.register.ops.remove(&op);
                let read = Outcome::Read(Box::new((*self.register.document).clone()));
                let after = self.dice.between(200, 1_500);
                self.answer(&asked, read, after);
            }
            Wants::Read => self.schedule.at(self.now + AGAIN, Event::Propose { op }),
            Wants::Paused(paused) if reaches => {
                self.register.ops.remove(&op);
                let mut next = self.register.document.bumped();
                next.paused = *paused;
                self.land(&Rc::new(next));
            }
            Wants::Paused(_) => drop(self.register.ops.remove(&op)),
            // Why also when it can be reached no more: what was sent may have arrived.
            Wants::Swap(next) if is_late || unsaid || !reaches => {
                let next = Rc::clone(next);
                self.float(next);
                let asked = self.register.ops.remove(&op).unwrap_or(asked);
                let after = asked.until.saturating_sub(self.now);
                self.answer(&asked, Outcome::Undecided, after);
            }
            Wants::Swap(next) => {
                let next = Rc::clone(next);
                self.register.ops.remove(&op);
                let outcome = if self.land(&next) {
                    Outcome::Won
                } else {
                    Outcome::Lost(Box::new((*self.register.document).clone()))
                };
                let after = self.dice.between(200, 1_500) * self.register.slowness;
                self.answer(&asked, outcome, after);
            }
        }
    }

    /// A swap that is on its way and of which nobody hears again.
    fn float(&mut self, next: Rc<Document>) {
        let after = match self.dice.below(4) {
            0 => return,
            1 => 0,
            2 => self.dice.between(MS, 500 * MS),
            _ => self.dice.between(MS, 8 * SECOND),
        };
        self.register.floating.push(Rc::clone(&next));
        self.schedule
            .at(self.now + after, Event::Land { document: next });
    }

    /// What nobody had an answer to arrives.
    pub(crate) fn land_late(&mut self, next: &Rc<Document>) {
        self.register.floating.retain(|f| !Rc::ptr_eq(f, next));
        if self.register.outage == 0 && self.land(next) {
            self.tell("ledger", || "  (nobody had an answer to it)".into());
        }
    }

    /// A swap reaches the register. True: it won.
    fn land(&mut self, next: &Rc<Document>) -> bool {
        if next.rev != self.register.document.rev + 1 {
            return false;
        }
        let before = std::mem::replace(&mut self.register.document, Rc::clone(next));
        self.register.landed += 1;
        self.story_of_landing(&before, next);
        self.check_landing(&before, next);
        for to in 0..self.nodes.len() {
            if self.reaches_leader(to) {
                let takes = self.dice.between(400, 6_000) * self.register.slowness;
                self.tell_document(to, takes);
            }
        }
        true
    }

    fn tell_document(&mut self, to: Id, after: Micros) {
        let document = Rc::clone(&self.register.document);
        let what = Stir::Document(document);
        self.stir_after(to, after, what);
    }

    /// Those who reach the ledger and do not have its newest document get it.
    pub(crate) fn spread_document(&mut self) {
        let newest = self.register.document.rev;
        for to in 0..self.nodes.len() {
            let agent = self.nodes[to].agent.as_ref();
            let is_old = agent.is_some_and(|agent| agent.rev().is_some_and(|rev| rev < newest));
            if is_old && self.reaches_leader(to) {
                self.tell_document(to, 0);
            }
        }
        let next = self.now + SPREAD_PACE;
        self.schedule.at(next, Event::Spread);
    }
}
