//! How a tunnel ends: closed, cut, or dead because nothing passes any more. Either end may be gone while the
//! other does not know it yet.

use cluster::Receiving;

use super::{AGAIN, BEAT};
use crate::clock::{MS, Micros, SECOND};
use crate::event::{End, Event, Id, Life};
use crate::world::World;

/// A cable that is cut ends a connection after so long: keepalive and the limit on unacknowledged data.
const DEAD_AFTER: Micros = 6 * SECOND;

impl World {
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
}
