//! The operator: planned changes, orders, pauses, and at the end what only a person may decide.

use cluster::{NodeName, Wish};

use crate::clock::{MS, SECOND};
use crate::event::{Event, Id};
use crate::register::Wants;
use crate::world::World;

/// Nobody waits longer for a change that was asked for.
const PATIENCE_MS: u64 = 60_000;

impl World {
    /// Now and then the operator does something.
    pub(crate) fn operator(&mut self) {
        if self.is_healing || self.now >= self.safety_ends {
            return;
        }
        let gap = self.dice.between(SECOND, 2 * self.temper.wishes);
        self.schedule.at(self.now + gap, Event::Operator);
        let count = self.data.len() as u64;
        let one = self.dice.below(count) as Id;
        match self.dice.below(10) {
            0..5 if self.temper.accepts_loss && !self.serves() => self.order_failover(one, true),
            0..6 => {
                let to = self.dice.percent(50).then(|| self.names[one].clone());
                self.switchover(to);
            }
            6..8 => {
                let accept_loss = self.temper.accepts_loss && self.dice.percent(50);
                self.order_failover(one, accept_loss);
            }
            _ => {
                let paused = !self.register.document.paused;
                let asks = self.dice.below(self.nodes.len() as u64) as Id;
                self.ask_ledger(asks, None, Wants::Paused(paused));
            }
        }
    }

    /// The primary of the ledger serves, as far as its agent knows.
    fn serves(&self) -> bool {
        let document = &self.register.document;
        let agent = self.nodes[self.id_of(&document.primary)].agent.as_ref();
        agent.is_some_and(|agent| agent.view.serving() == Some(document.epoch))
    }

    fn switchover(&mut self, to: Option<NodeName>) {
        let primary = self.id_of(&self.register.document.primary);
        let text = to
            .as_ref()
            .map_or("the best".to_owned(), ToString::to_string);
        let asked = self.shows(primary);
        if self.wish(primary, Wish::Switchover { to, asked }) {
            self.tally.wishes += 1;
            self.tell("operator", || format!("switchover to {text}"));
        }
    }

    pub(crate) fn order_failover(&mut self, to: Id, accept_loss: bool) {
        let asked = self.shows(to);
        if self.wish(to, Wish::Failover { accept_loss, asked }) {
            self.tally.wishes += 1;
            let who = self.names[to].clone();
            let loss = if accept_loss { ", accepting loss" } else { "" };
            self.tell("operator", || format!("failover to {who}{loss}"));
        }
    }

    /// Asks a node's agent; one wish at a time.
    fn wish(&mut self, me: Id, wish: Wish) -> bool {
        let moves = self.nodes[me].moves();
        let Some(agent) = self.nodes[me].agent.as_mut().filter(|_| moves) else {
            return false;
        };
        if agent.view.wish.is_some() || agent.request.is_some() {
            return false;
        }
        agent.request = Some(wish);
        self.stir_after(me, MS, crate::event::Stir::News);
        true
    }

    /// What was asked is taken up between two rounds.
    pub(crate) fn take_request(&mut self, me: Id) {
        self.settle_wish(me);
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        if let Some(mut wish) = agent.request.take() {
            // Why: the time it waited is not the primary's fault.
            let (Wish::Switchover { asked, .. } | Wish::Failover { asked, .. }) = &mut wish;
            *asked = agent.view.now;
            agent.view.wish = Some(wish);
        }
    }

    /// A wish whose asker has gone ends with it, unless it is under way.
    pub(crate) fn settle_wish(&mut self, me: Id) {
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let now = agent.view.now;
        let is_under_way = agent.view.memory.handover.is_some();
        agent.view.wish.take_if(|wish| {
            let (Wish::Switchover { asked, .. } | Wish::Failover { asked, .. }) = wish;
            !is_under_way && now.saturating_sub(*asked) > PATIENCE_MS
        });
    }

    /// Once all is mended: ends a pause; after a while gives the word where the budget of failovers is spent.
    pub(crate) fn helps(&mut self) {
        if self.register.document.paused {
            let asks = self.id_of(&self.register.document.primary);
            self.ask_ledger(asks, None, Wants::Paused(false));
        }
        if self.now < self.mended_at + 30 * SECOND {
            return;
        }
        let spent = (0..self.data.len()).find(|me| {
            let agent = self.nodes[*me].agent.as_ref();
            agent.is_some_and(|agent| agent.reason.contains("without protection in between"))
        });
        if let Some(me) = spent {
            self.tally.words += 1;
            self.order_failover(me, false);
        }
    }
}
