//! Applications that write all the time: some through their node's gateway, which follows the greatest epoch
//! and holds when asked to, some straight to a server, whatever its role.

use crate::clock::{MS, Micros, SECOND};
use crate::event::{Event, Id, Life};
use crate::server::Txn;
use crate::world::World;

/// A gateway ends a connection to a server that does not answer.
const PATIENCE: Micros = 3 * SECOND;

/// One application.
pub(crate) struct Client {
    home: Id,
    /// It knows no gateway and writes to this server.
    straight: Option<Id>,
    turn: Life,
    /// A statement is open.
    open: bool,
    thinks: Micros,
    /// How many of its writes were acknowledged since all was mended.
    pub(crate) told: u64,
}

impl Client {
    pub(crate) fn new(home: Id, straight: Option<Id>, thinks: Micros) -> Self {
        Self {
            home,
            straight,
            turn: 0,
            open: false,
            thinks,
            told: 0,
        }
    }

    /// It writes wherever the primary is.
    pub(crate) fn has_gateway(&self) -> bool {
        self.straight.is_none()
    }
}

impl World {
    /// Statements open through the gateway of this node.
    pub(crate) fn open_statements(&self, me: Id) -> u32 {
        let open = self
            .clients
            .iter()
            .filter(|client| client.home == me && client.has_gateway() && client.open);
        open.count() as u32
    }

    /// A client goes on: what it waited for may never come, then it tries something new.
    pub(crate) fn client(&mut self, who: usize, turn: Life) {
        let Some(client) = self.clients.get_mut(who).filter(|c| c.turn == turn) else {
            return;
        };
        if std::mem::take(&mut client.open) {
            self.tally.unknown += 1;
        }
        client.turn += 1;
        let (turn, home, straight) = (client.turn, client.home, client.straight);
        if self.is_quiet {
            self.later(who, turn, 500 * MS);
            return;
        }
        let Some(server) = straight.or_else(|| self.route(home)) else {
            self.later(who, turn, 25 * MS);
            return;
        };
        self.clients[who].open = true;
        // Now and then a transaction stays open for long before it commits.
        let thought = if straight.is_none() && self.dice.per_mille(8) {
            self.dice.between(200 * MS, 6 * SECOND)
        } else {
            0
        };
        let takes = self.network.takes(&mut self.dice) + thought;
        let life = self.nodes[server].server.as_ref().map_or(0, |s| s.life);
        if self.network.passes(home, server) {
            let write = Event::Write {
                who,
                turn,
                server,
                life,
            };
            self.schedule.at(self.now + takes, write);
        }
        self.later(who, turn, thought + PATIENCE);
    }

    fn later(&mut self, who: usize, turn: Life, after: Micros) {
        self.schedule
            .at(self.now + after, Event::Client { who, turn });
    }

    /// Where the gateway of a node sends writes; nowhere while it holds, or its agent is not there.
    fn route(&self, home: Id) -> Option<Id> {
        let node = &self.nodes[home];
        let agent = node.agent.as_ref().filter(|_| node.moves())?;
        if agent.view.gate.holding.is_some() {
            return None;
        }
        let (_, primary) = agent.picture.route.as_ref()?;
        Some(self.id_of(primary))
    }

    /// A write reaches a server.
    pub(crate) fn write_arrives(&mut self, who: usize, turn: Life, me: Id, life: Life) {
        let home = self.clients[who].home;
        let server = self.server(me);
        if server.life != life || !self.network.passes(home, me) {
            return;
        }
        if !server.answers() {
            return;
        }
        if server.closing {
            let again = Event::Write {
                who,
                turn,
                server: me,
                life,
            };
            self.schedule.at(self.now + 5 * MS, again);
            return;
        }
        if server.read_only {
            self.reply(who, turn, me, false);
        } else {
            self.write(me, Some((who, turn)));
        }
    }

    fn reply(&mut self, who: usize, turn: Life, from: Id, ok: bool) {
        let takes = self.network.takes(&mut self.dice);
        let told = Event::Told {
            who,
            turn,
            ok,
            from,
        };
        self.schedule.at(self.now + takes, told);
    }

    /// The answer reaches the client.
    pub(crate) fn told(&mut self, who: usize, turn: Life, ok: bool, from: Id) {
        let home = self.clients[who].home;
        let passes = self.network.passes(from, home);
        let Some(client) = self.clients.get_mut(who).filter(|c| c.turn == turn) else {
            return;
        };
        if !passes || !client.open {
            return;
        }
        client.open = false;
        let mut pause = 30 * MS;
        if ok {
            client.told += 1;
            pause = client.thinks;
            self.tally.told += 1;
            self.tally.longest_gap = self.tally.longest_gap.max(self.now - self.last_told);
            self.last_told = self.now;
        } else {
            self.tally.refused += 1;
        }
        let pause = self.dice.between(pause / 2, pause * 2);
        self.later(who, turn, pause);
    }

    /// A transaction is written to a server's log, and waits there when it must.
    pub(crate) fn write(&mut self, me: Id, who: Option<(usize, Life)>) {
        let number = self.nodes[me].number;
        let Some(server) = &mut self.nodes[me].server else {
            return;
        };
        if !server.writes() || server.read_only || server.closing {
            return;
        }
        self.numbers += 1;
        let id = self.numbers;
        server.log.push(Txn { server: number, id });
        let waits = server.semi_sync;
        if let Some(who) = who {
            self.waiters.insert(id, who);
        }
        if !waits || self.mutation == Some(crate::Mutation::AnswerBeforeAcknowledged) {
            self.acknowledge(me, usize::MAX);
        }
        self.ship(me);
    }

    /// Everything up to `len` in the log of `me` has its acknowledgement.
    pub(crate) fn acknowledge(&mut self, me: Id, len: usize) {
        let server = self.server_mut(me);
        let until = len.min(server.log.len());
        let from = server.committed.min(until);
        let new: Vec<_> = server.log[from..until].to_vec();
        server.committed = server.committed.max(until);
        for (at, txn) in new.into_iter().enumerate() {
            self.acknowledged(me, from + at, txn);
            if let Some((who, turn)) = self.waiters.remove(&txn.id) {
                self.reply(who, turn, me, true);
            }
        }
    }
}
