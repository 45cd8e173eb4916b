//! The ordinary course of things: everybody hears everybody, replication flows, agents decide.

use std::collections::BTreeMap;

use cluster::{Millis, NodeName};

use crate::world::World;

pub(crate) const PACE: Millis = 50;
/// Decisions of one node in one round.
const DECISIONS: usize = 4;

/// What the nodes said, each sentence once until it says another.
#[derive(Default)]
pub(crate) struct Trace {
    last: BTreeMap<NodeName, String>,
    pub(crate) lines: Vec<String>,
}

impl Trace {
    fn note(&mut self, me: &NodeName, reason: &str) {
        let plain: String = reason.chars().filter(|c| !c.is_ascii_digit()).collect();
        if self.last.get(me) != Some(&plain) {
            self.last.insert(me.clone(), plain);
            self.lines.push(format!("{me}: {reason}"));
        }
    }
}

impl World {
    /// One round of `PACE` milliseconds; after `until` actions in all it stops in the midst of it.
    pub(crate) fn round(&mut self, trace: &mut Trace, until: usize) {
        self.now += PACE;
        let names = self.names();
        for me in &names {
            if self.nodes[me].moves() {
                self.look(me, true);
            }
        }
        for from in &names {
            for to in names.iter().filter(|to| *to != from) {
                self.tell(from, to);
            }
        }
        let has_data = |me: &&NodeName| self.nodes[*me].database.is_some();
        let with_data: Vec<_> = names.iter().filter(has_data).collect();
        for me in with_data {
            self.connect(me);
            if !self.slow.contains(me) {
                self.ship(me, usize::MAX);
            }
            self.ack(me);
            self.apply(me);
        }
        for me in &names {
            for _ in 0..DECISIONS {
                if self.performed.len() >= until {
                    return;
                }
                let decided = self.turn(me, true);
                if let Some(agent) = self.nodes[me]
                    .agent
                    .as_ref()
                    .filter(|a| !a.reason.is_empty())
                {
                    trace.note(me, &agent.reason);
                }
                if !decided {
                    break;
                }
                while self.nodes[me]
                    .agent
                    .as_ref()
                    .is_some_and(|a| !a.plan.is_empty())
                {
                    if self.performed.len() >= until {
                        return;
                    }
                    self.turn(me, true);
                }
            }
        }
        self.check();
    }

    /// Runs until it is so. The time that took; `None`: it did not come about within `limit`.
    pub(crate) fn run(
        &mut self,
        trace: &mut Trace,
        limit: Millis,
        so: impl Fn(&Self) -> bool,
    ) -> Option<Millis> {
        let begun = self.now;
        while self.now - begun < limit {
            if so(self) {
                return Some(self.now - begun);
            }
            self.round(trace, usize::MAX);
        }
        so(self).then_some(self.now - begun)
    }

    /// Every fault is removed: links, frozen nodes, agents. Servers are the agents' affair.
    pub(crate) fn heal(&mut self) {
        self.links_cut.clear();
        self.slow.clear();
        for me in self.names() {
            self.node(&me).frozen = None;
            if self.nodes[&me].agent.is_none() {
                self.wake(&me);
            }
            if let Some(server) = &mut self.node(&me).database {
                server.health = cluster::Health::Ok;
            }
        }
        self.fate = crate::world::Fate::Answered;
        self.settle_connections();
    }

    /// Heals, and everything must come to protected with nothing lost.
    pub(crate) fn must_recover(&mut self, story: &str) {
        self.heal();
        let mut trace = Trace::default();
        if self.run(&mut trace, 300_000, Self::is_protected).is_none() {
            let tail: Vec<_> = trace.lines.iter().rev().take(30).rev().collect();
            panic!(
                "{story}: never protected again\n{tail:#?}\n{:#?}",
                self.ledger
            );
        }
        for (me, node) in &self.nodes {
            let Some(server) = &node.database else {
                continue;
            };
            for (at, id) in &self.acked {
                let held = server.holds(*at).is_some_and(|txn| txn.id == *id);
                assert!(held, "{story}: {me} lacks the acknowledged write {id}");
            }
        }
    }

    /// Two nodes and a witness, or three nodes, protected, with a few writes.
    pub(crate) fn protected(names: &[&str], witness: Option<&str>) -> Self {
        let mut world = Self::new(names, witness);
        let mut trace = Trace::default();
        let grown = world.run(&mut trace, 60_000, Self::is_protected);
        assert!(grown.is_some(), "never protected: {:#?}", trace.lines);
        for _ in 0..3 {
            world.write(&crate::world::name(names[0]));
        }
        world.run(&mut trace, 15_000, |_| false);
        world
    }
}
