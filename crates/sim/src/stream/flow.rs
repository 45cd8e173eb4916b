//! What flows through a tunnel: transactions to the replica, acknowledgements back. What is on its way when an
//! end is gone still arrives.

use cluster::{Mode, Receiving};

use super::{AGAIN, Batch, Stream};
use crate::event::{End, Event, Id, Life};
use crate::world::World;

impl World {
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

    pub(super) fn send(&mut self, id: Life) {
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
    pub(super) fn flows(&self, stream: &Stream, towards: End) -> bool {
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
}
