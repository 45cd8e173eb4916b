//! What faults do to processes, disks and cables.

use cluster::BootId;

use crate::clock::{MS, SECOND};
use crate::event::{Event, Id};
use crate::server::{Process, Server};
use crate::world::World;

impl World {
    /// SIGKILL, or what looks like it.
    pub(crate) fn kill_server(&mut self, me: Id) {
        let Some(server) = self.nodes[me].server.as_mut() else {
            return;
        };
        if server.process == Process::Down {
            return;
        }
        let life = server.life;
        server.kill();
        self.tell_of(me, || "  the server's process ends".into());
        self.end_streams_of(me);
        let takes = self.dice.between(300, 15 * MS);
        self.stir_after(me, takes, crate::event::Stir::ServerEnded { server: life });
    }

    pub(crate) fn kill_agent(&mut self, me: Id) {
        let node = &mut self.nodes[me];
        if node.agent.take().is_none() {
            return;
        }
        node.is_frozen = false;
        node.waiting.clear();
        if let Some(server) = &mut node.server {
            server.closing = false;
        }
        self.copies.remove(&me);
        self.end_streams_of(me);
    }

    pub(super) fn freeze_server(&mut self, me: Id, is_frozen: bool) {
        if let Some(server) = &mut self.nodes[me].server {
            server.frozen = is_frozen && server.process != Process::Down;
        }
    }

    /// What was not flushed is gone, and the next boot is another one.
    pub(super) fn lose_power(&mut self, me: Id) {
        if !self.nodes[me].has_power {
            return;
        }
        self.kill_server(me);
        self.kill_agent(me);
        self.numbers += 1;
        let boot = BootId(self.numbers.into());
        let node = &mut self.nodes[me];
        node.boot = boot;
        node.has_power = false;
        if let Some(server) = &mut node.server {
            let kept = self.dice.below(server.relay.len() as u64 + 1) as usize;
            server.relay.truncate(kept);
        }
    }

    /// The disk is empty; in half of the cases what the agent keeps of its state is gone as well.
    pub(super) fn wipe(&mut self, me: Id) {
        self.kill_server(me);
        let with_state = self.dice.percent(50);
        self.kill_agent(me);
        let data = with_state.then(|| {
            self.numbers += 1;
            cluster::DataId(self.numbers.into())
        });
        let node = &mut self.nodes[me];
        let life = node.server.as_ref().map_or(0, |server| server.life) + 1;
        let mut empty = Server::new(false);
        empty.life = life;
        node.server = Some(empty);
        node.tag = None;
        if let Some(data) = data {
            (node.data, node.mark, node.followed) = (data, cluster::Mark::Clean, 0);
        }
        let takes = self.dice.between(50 * MS, 3 * SECOND);
        self.schedule.at(self.now + takes, Event::StartAgent { me });
    }

    pub(super) fn cable(&mut self, a: Id, b: Id, is_cut: bool) {
        for (from, to) in [(a, b), (b, a)] {
            if is_cut {
                self.network.cut(from, to);
            } else {
                self.network.mend(from, to);
            }
        }
    }

    pub(super) fn isolate(&mut self, me: Id, is_cut: bool) {
        for other in (0..self.nodes.len()).filter(|other| *other != me) {
            self.cable(me, other, is_cut);
        }
    }
}
