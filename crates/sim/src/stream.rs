//! Replication: a tunnel through two agents, transactions one way, acknowledgements the other. Either end
//! may be gone while the other does not know it yet; what was on its way still arrives.

use std::collections::VecDeque;

use cluster::{Applying, Mode, Receiving};

use crate::agent::Admitted;
use crate::clock::{MS, Micros, SECOND};
use crate::event::{End, Event, Id, Life, Stir};
use crate::server::Txn;
use crate::world::World;

/// Heartbeats of the server's replication, and how often a stream is looked at.
const BEAT: Micros = 500 * MS;
/// A cable that is cut ends a connection after so long: keepalive and the limit on unacknowledged data.
const DEAD_AFTER: Micros = 6 * SECOND;
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
        let answers = theirs
            .server
            .as_ref()
            .is_some_and(crate::server::Server::answers)
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

    /// What a primary's log has beyond what it has sent goes to each replica.
    pub(crate) fn ship(&mut self, primary: Id) {
        let ids: Vec<_> = self
            .streams
            .iter()
            .filter(|(_, s)| s.primary == primary && s.primary_up)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.send(id);
        }
    }

    fn send(&mut self, id: Life) {
        let Some(stream) = self.streams.get(&id).filter(|s| s.primary_up) else {
            return;
        };
        let server = self.server(stream.primary);
        if !server.answers() || stream.sent >= server.log.len() {
            return;
        }
        let from = stream.sent;
        let transactions = server.log[from..].to_vec();
        let (asks, slow) = (server.semi_sync, server.slowness);
        let takes = self.network.takes(&mut self.dice) * slow;
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        stream.sent = from + transactions.len();
        let last = stream.data.back().map_or(0, |batch| batch.arrives);
        let arrives = last.max(self.now + takes);
        stream.data.push_back(Batch {
            arrives,
            from,
            transactions,
            asks,
        });
        self.schedule.at(arrives, Event::Deliver { stream: id });
    }

    /// The cable and both agents let bytes pass in this direction.
    fn flows(&self, stream: &Stream, towards: End) -> bool {
        let (from, to) = match towards {
            End::Replica => (stream.primary, stream.replica),
            End::Primary => (stream.replica, stream.primary),
        };
        self.nodes[from].moves() && self.nodes[to].moves() && self.network.passes(from, to)
    }

    pub(crate) fn deliver(&mut self, id: Life) {
        let Some(stream) = self.streams.get(&id).filter(|s| s.replica_up) else {
            return;
        };
        let replica = stream.replica;
        let own = self.server(replica);
        let takes_in = own.writes() && own.receiving == Receiving::Streaming;
        // Why not asked of the primary's agent when its end is gone: what is on the cable arrives by itself.
        let flows = if stream.primary_up {
            self.flows(stream, End::Replica)
        } else {
            self.network.passes(stream.primary, replica) && self.nodes[replica].moves()
        };
        if !takes_in || !flows {
            self.schedule
                .at(self.now + AGAIN, Event::Deliver { stream: id });
            return;
        }
        let (is_sync, slow) = (stream.hello.mode == Mode::Sync, own.slowness);
        let mut asked = false;
        let now = self.now;
        while let Some(stream) = self.streams.get_mut(&id)
            && let Some(batch) = stream.data.pop_front_if(|batch| batch.arrives <= now)
        {
            stream.flowed = now;
            asked |= batch.asks;
            let own = self.server_mut(replica);
            if own.total() != batch.from {
                let name = self.names[replica].clone();
                self.breaks("gap", format!("{name} receives what does not follow"));
                return;
            }
            own.relay.extend(batch.transactions);
        }
        let upto = self.server(replica).total();
        self.apply_soon(replica);
        if is_sync && asked {
            let takes = self.network.takes(&mut self.dice) + self.dice.between(50, 600) * slow;
            let Some(stream) = self.streams.get_mut(&id) else {
                return;
            };
            let last = stream.acknowledgements.back().map_or(0, |(at, _)| *at);
            let arrives = last.max(self.now + takes);
            stream.acknowledgements.push_back((arrives, upto));
            self.schedule.at(arrives, Event::Acknowledge { stream: id });
        }
    }

    pub(crate) fn acknowledgement(&mut self, id: Life) {
        let Some(stream) = self.streams.get(&id).filter(|s| s.primary_up) else {
            return;
        };
        let primary = stream.primary;
        let flows = if stream.replica_up {
            self.flows(stream, End::Primary)
        } else {
            self.network.passes(stream.replica, primary) && self.nodes[primary].moves()
        };
        if !flows || !self.server(primary).answers() {
            self.schedule
                .at(self.now + AGAIN, Event::Acknowledge { stream: id });
            return;
        }
        let now = self.now;
        let mut upto = None;
        if let Some(stream) = self.streams.get_mut(&id) {
            while let Some((_, at)) = stream.acknowledgements.pop_front_if(|(at, _)| *at <= now) {
                upto = Some(at);
            }
        }
        if let Some(upto) = upto
            && self.server(primary).semi_sync
        {
            self.acknowledge(primary, upto);
        }
    }

    /// Heartbeats pass, or a cut cable ends the connection at last.
    pub(crate) fn beat(&mut self, id: Life) {
        let now = self.now;
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        if !stream.replica_up && !stream.primary_up {
            self.streams.remove(&id);
            return;
        }
        let joins = self.network.joins(stream.primary, stream.replica);
        let both = stream.replica_up && stream.primary_up;
        let flows =
            both && self.flows(stream, End::Replica) && self.server(stream.primary).answers();
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        if flows {
            stream.flowed = now;
        }
        let is_dead = if joins && both {
            stream.parted = None;
            false
        } else {
            now - *stream.parted.get_or_insert(now) >= DEAD_AFTER
        };
        if is_dead {
            self.end_stream(id, End::Primary);
            self.end_stream(id, End::Replica);
        }
        self.schedule.at(now + BEAT, Event::Beat { stream: id });
        self.send(id);
    }

    /// One end is gone; the other hears of it when the cable lets it.
    pub(crate) fn end_stream(&mut self, id: Life, end: End) {
        let Some(stream) = self.streams.get_mut(&id) else {
            return;
        };
        let (is_up, other) = match end {
            End::Primary => (&mut stream.primary_up, End::Replica),
            End::Replica => (&mut stream.replica_up, End::Primary),
        };
        if !std::mem::replace(is_up, false) {
            return;
        }
        let (primary, replica) = (stream.primary, stream.replica);
        let takes = self.network.takes(&mut self.dice);
        self.schedule.at(
            self.now + takes,
            Event::Notice {
                stream: id,
                end: other,
            },
        );
        if end == End::Primary {
            self.news(primary);
            return;
        }
        if let Some(own) = self.nodes[replica].server.as_mut()
            && own.receiving == Receiving::Streaming
        {
            own.receiving = Receiving::Connecting;
            let pause = self.dice.between(2 * MS, 30 * MS);
            self.connect_after(replica, pause);
        }
        self.news(replica);
    }

    /// An end hears that the other is gone, when its agent moves and the cable lets it.
    pub(crate) fn notice(&mut self, id: Life, end: End) {
        let Some(stream) = self.streams.get(&id) else {
            return;
        };
        let me = match end {
            End::Primary => stream.primary,
            End::Replica => stream.replica,
        };
        let other = stream.primary + stream.replica - me;
        let hears = self.network.passes(other, me) && self.nodes[other].has_power;
        if hears && !self.nodes[me].is_frozen {
            self.end_stream(id, end);
        } else {
            self.schedule
                .at(self.now + AGAIN, Event::Notice { stream: id, end });
        }
    }

    /// Ends all streams of which this node has an end, as its agent or its server has ended.
    pub(crate) fn end_streams_of(&mut self, me: Id) {
        let ids: Vec<_> = self.streams.keys().copied().collect();
        for id in ids {
            let Some(stream) = self.streams.get(&id) else {
                continue;
            };
            if stream.primary == me {
                self.end_stream(id, End::Primary);
            } else if stream.replica == me {
                self.end_stream(id, End::Replica);
            }
        }
    }

    /// Ends the tunnels of one replica at its primary.
    pub(crate) fn cut_streams(&mut self, primary: Id, replica: Id) {
        let ids: Vec<_> = self
            .streams
            .iter()
            .filter(|(_, s)| s.primary == primary && s.replica == replica && s.primary_up)
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.end_stream(id, End::Primary);
        }
    }

    /// Closes the tunnel of this node's own server.
    pub(crate) fn close_upstream(&mut self, me: Id) {
        if let Some(agent) = &mut self.nodes[me].agent {
            agent.upstream = None;
        }
        let id = self
            .streams
            .iter()
            .find(|(_, s)| s.replica == me && s.replica_up)
            .map(|(id, _)| *id);
        if let Some(id) = id {
            self.end_stream(id, End::Replica);
        }
    }

    /// The applying threads go on soon, if there is anything for them.
    pub(crate) fn apply_soon(&mut self, me: Id) {
        let own = self.server_mut(me);
        if own.is_applying || own.relay.is_empty() || own.applying != Applying::Running {
            return;
        }
        own.is_applying = true;
        let (server, takes) = (own.life, own.applies_in * own.slowness);
        self.schedule
            .at(self.now + takes, Event::Apply { me, server });
    }

    pub(crate) fn apply(&mut self, me: Id, server: Life) {
        let own = self.server_mut(me);
        if own.life != server {
            return;
        }
        own.is_applying = false;
        if own.applying != Applying::Running || own.relay.is_empty() {
            return;
        }
        if !own.writes() {
            own.is_applying = true;
            self.schedule
                .at(self.now + AGAIN, Event::Apply { me, server });
            return;
        }
        if own.poisoned {
            own.applying =
                Applying::Failed("Duplicate entry '7' for key 'PRIMARY' (error 1062)".into());
            self.news(me);
            return;
        }
        // Parallel threads apply all there is at once, unless each transaction takes long.
        let count = if own.applies_in > MS {
            1
        } else {
            own.relay.len()
        };
        let applied: Vec<_> = own.relay.drain(..count).collect();
        own.log.extend(applied);
        own.committed = own.log.len();
        self.apply_soon(me);
    }
}
