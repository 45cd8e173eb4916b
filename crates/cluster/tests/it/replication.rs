//! What flows between the servers: writes, connections, transactions, acknowledgements.

use cluster::{Applying, Mode, NodeName, Receiving};

use crate::database::Txn;
use crate::world::{Connection, World};

impl World {
    /// A client's write, where the server is open. False: there is none.
    pub(crate) fn write(&mut self, me: &NodeName) -> bool {
        let (id, now) = (self.fresh_id(), self.now);
        let node = self.node(me);
        let number = node.number;
        let frozen = node.frozen.is_some();
        let Some(server) = node.database.as_mut() else {
            return false;
        };
        if !server.running || server.read_only || frozen || !server.health.is_ok() {
            return false;
        }
        if server.waiting() == 0 {
            server.waiting_since = now;
        }
        server.log.push(Txn {
            server: number,
            id,
            at: now,
        });
        if !server.semi_sync {
            self.acknowledge(me, usize::MAX);
        }
        true
    }

    /// Everything up to `len` on `me` has its acknowledgement.
    pub(crate) fn acknowledge(&mut self, me: &NodeName, len: usize) {
        let now = self.now;
        let server = self.node(me).server_mut();
        let until = len.min(server.log.len());
        let new: Vec<_> = (server.committed..until)
            .map(|at| (at, server.log[at].id))
            .collect();
        server.committed = server.committed.max(until);
        server.waiting_since = now;
        self.acked.extend(new);
    }

    /// Ends the connections that cannot be any more.
    pub(crate) fn settle_connections(&mut self) {
        let stays = |me: &NodeName, c: &Connection| {
            let ours = &self.nodes[me];
            let theirs = &self.nodes[&c.to];
            let source = ours.database.as_ref().and_then(|s| s.source.as_ref());
            let admitted = theirs
                .agent
                .as_ref()
                .and_then(|agent| agent.admissions.get(me));
            self.linked(me, &c.to)
                && ours.runs()
                && theirs.runs()
                && ours.agent.is_some()
                && source.is_some_and(|s| s.node == c.to && s.epoch == c.epoch && s.mode == c.mode)
                && admitted
                    .is_some_and(|a| a.epoch == c.epoch && a.mode == c.mode && a.stamp == c.stamp)
        };
        let ends: Vec<_> = self
            .connections
            .iter()
            .filter(|(me, connection)| !stays(me, connection))
            .map(|(me, _)| me.clone())
            .collect();
        for me in ends {
            self.connections.remove(&me);
            let server = self.node(&me).server_mut();
            if server.receiving == Receiving::Streaming {
                server.receiving = Receiving::Connecting;
            }
        }
        let now = self.now;
        let connected = self.connections.clone();
        for (me, node) in &mut self.nodes {
            let Some(agent) = &mut node.agent else {
                continue;
            };
            for (replica, admission) in &mut agent.admissions {
                let is = connected.get(replica).is_some_and(|c| c.to == *me);
                if admission.connected != is {
                    (admission.connected, admission.since) = (is, now);
                }
            }
        }
    }

    /// A replica that wants to connect does, when it is admitted.
    pub(crate) fn connect(&mut self, me: &NodeName) {
        let ours = &self.nodes[me];
        let Some(server) = ours.database.as_ref().filter(|server| server.running) else {
            return;
        };
        let Some(source) = server.source.clone() else {
            return;
        };
        let wants = server.receiving == Receiving::Connecting && !self.connections.contains_key(me);
        if !wants || !self.hears(me, &source.node) || !self.nodes[&source.node].runs() {
            return;
        }
        let stamp = ours.stamp();
        let agent = self.nodes[&source.node].agent.as_ref();
        let admitted = agent
            .and_then(|agent| agent.admissions.get(me))
            .is_some_and(|a| (a.epoch, a.mode, a.stamp) == (source.epoch, source.mode, stamp));
        if !admitted {
            return;
        }
        let theirs = &self.nodes[&source.node].server().log;
        let total = server.total();
        let known = total == 0 || theirs.get(total - 1).copied() == server.holds(total - 1);
        let prefix = (0..total).all(|at| theirs.get(at).copied() == server.holds(at));
        assert!(!known || prefix, "{me} follows a log it has forked from");
        let server = self.node(me).server_mut();
        if !known {
            server.receiving = Receiving::Refused;
            return;
        }
        server.receiving = Receiving::Streaming;
        let (to, epoch, mode) = (source.node, source.epoch, source.mode);
        let connection = Connection {
            to,
            epoch,
            mode,
            stamp,
        };
        self.connections.insert(me.clone(), connection);
        self.settle_connections();
    }

    /// A replica receives up to `count` transactions.
    pub(crate) fn ship(&mut self, me: &NodeName, count: usize) {
        let Some(to) = self.connections.get(me).map(|c| c.to.clone()) else {
            return;
        };
        if self.nodes[me].frozen.is_some() || self.nodes[&to].frozen.is_some() {
            return;
        }
        let theirs = self.nodes[&to].server().log.clone();
        let server = self.node(me).server_mut();
        let from = server.total();
        server
            .relay
            .extend(theirs.iter().skip(from).take(count).copied());
    }

    /// The source hears what a sync replica has received.
    pub(crate) fn ack(&mut self, me: &NodeName) {
        let Some(connection) = self.connections.get(me).cloned() else {
            return;
        };
        let moves = self.nodes[me].frozen.is_none() && self.nodes[&connection.to].frozen.is_none();
        if connection.mode == Mode::Sync && moves && self.nodes[&connection.to].server().semi_sync {
            let total = self.nodes[me].server().total();
            self.acknowledge(&connection.to, total);
        }
    }

    pub(crate) fn apply(&mut self, me: &NodeName) {
        let node = self.node(me);
        let frozen = node.frozen.is_some();
        if let Some(server) = node.database.as_mut()
            && server.running
            && !frozen
            && server.applying == Applying::Running
        {
            server.log.append(&mut server.relay);
            server.committed = server.log.len();
        }
    }
}
