//! What an agent's view is brought up to date with before each decision: all but the server's own words. A
//! mirror of the keeper's `refresh`, and of the program's `gate.rs`.

use std::rc::Rc;

use cluster::Gate;

use crate::event::Id;
use crate::mutation;
use crate::world::World;

impl World {
    /// Brings everything but the server's own words up to date.
    pub(crate) fn refresh(&mut self, me: Id) {
        let (now, mutation) = (self.now, self.mutation);
        let names = Rc::clone(&self.names);
        let node = &mut self.nodes[me];
        let Some(agent) = &mut node.agent else {
            return;
        };
        agent.view.now = node.clock.shows(now);
        agent.view.wall = node.clock.wall(now);
        if let Some(document) = agent.told_document.take()
            && mutation::hears_of(mutation, &agent.view, &document)
        {
            agent.learn(&document);
        }
        if agent.board.is_new {
            if let Some(document) = agent.board.newest(agent.view.document.as_ref())
                && mutation::hears_of(mutation, &agent.view, &document)
            {
                agent.learn(&document);
            }
            let mut peers = agent.board.read(agent.view.document.as_ref(), &names);
            if let Some(document) = &agent.view.document {
                peers.retain(|node, _| document.members.contains_key(node));
            }
            agent.view.peers = peers;
        }
        if let Some(document) = &agent.view.document {
            agent.view.memory.passing(agent.view.now, document);
        }
        (agent.view.data, agent.view.mark, agent.view.followed) =
            (node.data, node.mark, node.followed);
        self.refresh_gate(me);
        self.read_admissions(me);
    }

    /// What the gateway of this node does, asked by the primary to hold or not: a mirror of the program's
    /// `gate.rs`.
    fn refresh_gate(&mut self, me: Id) {
        if self.nodes[me].server.is_none() {
            return;
        }
        let open = self.open_statements(me);
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let view = &agent.view;
        let asked = view.document.as_ref().filter(|document| {
            let is_own = document.primary == view.me && view.memory.handover.is_some();
            let told = view
                .fresh(&document.primary)
                .and_then(|report| report.holding);
            is_own || told == Some(document.epoch)
        });
        let holding = asked.map(|document| document.epoch);
        agent.view.gate = Gate {
            present: true,
            holding,
            open: if holding.is_some() { open } else { 0 },
        };
    }
}
