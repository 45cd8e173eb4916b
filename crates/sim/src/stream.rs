//! Replication: a tunnel through two agents, transactions one way, acknowledgements the other. Here a replica
//! connects; what flows is in `flow.rs`, how a tunnel ends in `ends.rs`.

mod apply;
mod ends;
mod flow;

use std::collections::VecDeque;

use cluster::Receiving;

use crate::agent::Admitted;
use crate::clock::{MS, Micros};
use crate::event::{Event, Id, Life, Stir};
use crate::server::{Server, Txn};
use crate::world::World;

/// Heartbeats of the server's replication, and how often a stream is looked at.
const BEAT: Micros = 500 * MS;
/// What cannot move now is tried again.
const AGAIN: Micros = 60 * MS;
/// A refused tunnel is asked for again, ever more seldom.
const REFUSED_FIRST: Micros = 30 * MS;
const REFUSED_AT_MOST: Micros = 500 * MS;

/// One replication connection.
pub(crate) struct Stream {
    pub(crate) replica: Id,
    pub(crate) primary: Id,
    pub(crate) hello: Admitted,
    pub(crate) replica_up: bool,
    pub(crate) primary_up: bool,
    /// The primary has sent its log up to here.
    sent: usize,
    /// On their way: when they arrive, from which place on, what, and whether an answer is wanted.
    data: VecDeque<Batch>,
    acknowledgements: VecDeque<(Micros, usize)>,
    /// When something last came from the primary.
    pub(crate) flowed: Micros,
    parted: Option<Micros>,
}

struct Batch {
    arrives: Micros,
    from: usize,
    transactions: Vec<Txn>,
    /// Sent while the primary waited for acknowledgements.
    asks: bool,
}

impl World {
    /// The stream of a replica whose own end is up.
    pub(crate) fn stream_of(&self, replica: Id) -> Option<&Stream> {
        let mut streams = self.streams.values();
        streams.find(|stream| stream.replica == replica && stream.replica_up)
    }

    /// The replica's server tries to connect soon.
    pub(crate) fn connect_after(&mut self, me: Id, after: Micros) {
        let Some(server) = self.nodes[me].server.as_ref().map(|server| server.life) else {
            return;
        };
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        agent.attempt += 1;
        let attempt = agent.attempt;
        self.stir_after(me, after, Stir::Connect { server, attempt });
    }

    /// A replica that wants to connect does, when it is admitted.
    pub(crate) fn connect(&mut self, me: Id, server: Life, attempt: Life) {
        let node = &self.nodes[me];
        let (Some(agent), Some(own)) = (&node.agent, &node.server) else {
            return;
        };
        let wants = own.life == server && own.receiving == Receiving::Connecting;
        let Some((source, stamp)) = agent.upstream.clone().filter(|_| wants) else {
            return;
        };
        if agent.attempt != attempt || self.stream_of(me).is_some() {
            return;
        }
        let primary = self.id_of(&source.node);
        let hello = Admitted {
            epoch: source.epoch,
            mode: source.mode,
            stamp,
        };
        let theirs = &self.nodes[primary];
        let admitted = theirs
            .agent
            .as_ref()
            .filter(|_| theirs.moves())
            .and_then(|agent| agent.admitted.get(&me));
        let answers = theirs.server.as_ref().is_some_and(Server::answers)
            && self.network.joins(me, primary)
            && !self.server(me).frozen;
        if !answers || admitted != Some(&hello) {
            let agent = self.nodes[me].agent.as_mut();
            let refusals = agent.map_or(0, |agent| {
                agent.refusals += 1;
                agent.refusals.min(5)
            });
            let pause = (REFUSED_FIRST << refusals).min(REFUSED_AT_MOST);
            self.connect_after(me, pause);
            return;
        }
        self.open_stream(me, primary, hello);
    }

    fn open_stream(&mut self, me: Id, primary: Id, hello: Admitted) {
        if let Some(agent) = &mut self.nodes[me].agent {
            agent.refusals = 0;
        }
        let (own, theirs) = (self.server(me), self.server(primary));
        let total = own.total();
        let is_known = total == 0
            || theirs
                .log
                .get(total - 1)
                .is_some_and(|txn| Some(*txn) == own.holds(total - 1));
        if !is_known || total < theirs.purged {
            self.server_mut(me).receiving = Receiving::Refused;
            let who = self.names[primary].clone();
            self.tell_of(me, || {
                format!("{who} refuses: it does not have what is asked for")
            });
            self.news(me);
            return;
        }
        let is_prefix = (0..total).all(|at| theirs.log.get(at).copied() == own.holds(at));
        if !is_prefix {
            self.breaks(
                "fork",
                format!("{} follows a log that it has forked from", self.names[me]),
            );
            return;
        }
        let stream = Stream {
            replica: me,
            primary,
            hello,
            replica_up: true,
            primary_up: true,
            sent: total,
            data: VecDeque::new(),
            acknowledgements: VecDeque::new(),
            flowed: self.now,
            parted: None,
        };
        self.numbers += 1;
        let id = self.numbers;
        self.streams.insert(id, stream);
        self.server_mut(me).receiving = Receiving::Streaming;
        let (who, mode) = (self.names[primary].clone(), hello.mode);
        self.tell_of(me, || format!("is connected to {who} ({mode:?})"));
        self.schedule
            .at(self.now + BEAT, Event::Beat { stream: id });
        self.send(id);
        self.news(me);
        self.news(primary);
    }
}
