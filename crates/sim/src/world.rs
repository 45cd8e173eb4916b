//! The whole world of one simulation, and the loop that takes one event after the other.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use cluster::{Epoch, Millis, NodeName};

use crate::agent::Agent;
use crate::client::Client;
use crate::clock::{MS, Micros};
use crate::dice::Dice;
use crate::event::{Event, Id, Life, Stir};
use crate::fault::Fault;
use crate::invariant::Acked;
use crate::mutation::Mutation;
use crate::network::Network;
use crate::node::Node;
use crate::register::Register;
use crate::schedule::Schedule;
use crate::server::{Process, Server, Txn};
use crate::stream::Stream;
use crate::tally::Tally;
use crate::temper::Temper;

/// A rule that was broken.
#[derive(Clone, Debug)]
pub(crate) struct Broken {
    pub(crate) rule: &'static str,
    pub(crate) what: String,
}

/// Everything.
pub(crate) struct World {
    pub(crate) now: Micros,
    pub(crate) schedule: Schedule,
    pub(crate) dice: Dice,
    pub(crate) temper: Temper,
    pub(crate) mutation: Option<Mutation>,
    pub(crate) names: Rc<Vec<NodeName>>,
    /// Those with data come first; a witness is the last.
    pub(crate) nodes: Vec<Node>,
    pub(crate) data: Vec<Id>,
    pub(crate) network: Network,
    pub(crate) register: Register,
    pub(crate) streams: BTreeMap<Life, Stream>,
    /// Copies that are being taken.
    pub(crate) copies: BTreeMap<Id, Vec<Txn>>,
    pub(crate) clients: Vec<Client>,
    /// Who waits for the answer to a write.
    pub(crate) waiters: BTreeMap<u64, (usize, Life)>,
    pub(crate) faults: BTreeMap<Life, Fault>,
    pub(crate) acked: Vec<Acked>,
    pub(crate) saved: BTreeSet<u64>,
    /// The last epoch that began by the operator's accepting a loss.
    pub(crate) forced: Epoch,
    pub(crate) serving: BTreeMap<Epoch, Id>,
    pub(crate) last_told: Micros,
    /// When the last fault begins, and when all were mended.
    pub(crate) safety_ends: Micros,
    pub(crate) mended_at: Micros,
    pub(crate) quiet_at: Micros,
    pub(crate) is_healing: bool,
    /// Clients rest.
    pub(crate) is_quiet: bool,
    pub(crate) is_over: bool,
    pub(crate) broken: Option<Broken>,
    pub(crate) tells: bool,
    pub(crate) story: Vec<String>,
    pub(crate) tally: Tally,
    /// For whatever needs a number of its own.
    pub(crate) numbers: u64,
    pub(crate) letters: u64,
    pub(crate) decisions: u64,
    pub(crate) actions: u64,
}

impl World {
    pub(crate) fn id_of(&self, name: &NodeName) -> Id {
        let mut names = self.names.iter();
        names.position(|known| known == name).unwrap_or(0)
    }

    #[expect(clippy::expect_used, reason = "asked only of nodes with data")]
    pub(crate) fn server(&self, me: Id) -> &Server {
        self.nodes[me].server.as_ref().expect("a node with data")
    }

    #[expect(clippy::expect_used, reason = "asked only of nodes with data")]
    pub(crate) fn server_mut(&mut self, me: Id) -> &mut Server {
        self.nodes[me].server.as_mut().expect("a node with data")
    }

    /// What a node's steady clock shows.
    pub(crate) fn shows(&self, me: Id) -> Millis {
        self.nodes[me].clock.shows(self.now)
    }

    /// Something will stir the agent that runs now.
    pub(crate) fn stir_after(&mut self, me: Id, after: Micros, what: Stir) {
        if let Some(agent) = &self.nodes[me].agent {
            let life = agent.life;
            let event = Event::Agent { me, life, what };
            self.schedule.at(self.now + after, event);
        }
    }

    /// Something is new for an agent: one sign is enough.
    pub(crate) fn news(&mut self, me: Id) {
        let node = &mut self.nodes[me];
        if node.agent.is_some() && !std::mem::replace(&mut node.is_stirred, true) {
            let takes = self.dice.between(30, 200);
            self.stir_after(me, takes, Stir::News);
        }
    }

    pub(crate) fn start_agent(&mut self, me: Id) {
        let now = self.now;
        let node = &mut self.nodes[me];
        if node.agent.is_some() || !node.has_power {
            return;
        }
        node.lives += 1;
        node.is_stirred = false;
        node.heard_more = false;
        let agent = Agent::wake(&self.names[me], node, node.lives, now);
        node.agent = Some(agent);
        // The tunnel of the agent before is gone.
        self.tell_of(me, || "the agent wakes".into());
        self.begin_turn(me);
    }

    /// A frozen agent goes on: everything that waited happens now.
    pub(crate) fn thaw(&mut self, me: Id) {
        let now = self.now;
        let node = &mut self.nodes[me];
        node.is_frozen = false;
        let waiting = std::mem::take(&mut node.waiting);
        for (at, (life, what)) in waiting.into_iter().enumerate() {
            let event = Event::Agent { me, life, what };
            self.schedule.at(now + at as u64 * 20, event);
        }
    }

    /// Takes events until it is over.
    pub(crate) fn run(&mut self) {
        while self.broken.is_none()
            && !self.is_over
            && let Some((when, event)) = self.schedule.next()
        {
            self.now = when;
            self.tally.events += 1;
            self.happens(event);
            self.check_writers();
        }
    }

    fn happens(&mut self, event: Event) {
        match event {
            Event::Agent { me, life, what } => self.agent_event(me, life, what),
            Event::Recovered { me, server } => self.recovered(me, server),
            Event::Apply { me, server } => self.apply(me, server),
            Event::Orphan {
                me,
                agent,
                server,
                action,
            } => self.orphan(me, agent, server, action),
            Event::Deliver { stream } => self.deliver(stream),
            Event::Acknowledge { stream } => self.acknowledgement(stream),
            Event::Beat { stream } => self.beat(stream),
            Event::Notice { stream, end } => self.notice(stream, end),
            Event::Propose { op } => self.propose(op),
            Event::Commit { op } => self.commit(op),
            Event::Land { document } => self.land_late(&document),
            Event::Spread => self.spread_document(),
            Event::Client { who, turn } => self.client(who, turn),
            Event::Write {
                who,
                turn,
                server,
                life,
            } => self.write_arrives(who, turn, server, life),
            Event::Told {
                who,
                turn,
                ok,
                from,
            } => self.told(who, turn, ok, from),
            Event::Fault => self.next_fault(),
            Event::Mend { fault } => self.mend(fault),
            Event::StartAgent { me } => self.start_agent(me),
            Event::PowerOn { me } => {
                self.nodes[me].has_power = true;
                self.start_agent(me);
            }
            Event::Operator => self.operator(),
            Event::Check => self.check_healed(),
        }
    }

    fn agent_event(&mut self, me: Id, life: Life, what: Stir) {
        let node = &mut self.nodes[me];
        if node.agent.as_ref().is_none_or(|agent| agent.life != life) {
            return;
        }
        if node.is_frozen {
            node.waiting.push((life, what));
        } else {
            self.stirred(me, what);
        }
    }

    fn recovered(&mut self, me: Id, life: Life) {
        let server = self.server_mut(me);
        if server.life != life || server.process != Process::Recovering {
            return;
        }
        if server.health == cluster::Health::DiskHung {
            let event = Event::Recovered { me, server: life };
            self.schedule.at(self.now + 50 * MS, event);
            return;
        }
        server.process = Process::Up;
        self.tell_of(me, || "  the server is up".into());
    }
}
