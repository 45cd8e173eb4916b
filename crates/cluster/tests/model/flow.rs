//! What flows between the servers and to the ledger: connections, transactions, acknowledgements,
//! swaps that land.

use cluster::{Mode, Receiving};

use crate::bounds::Policy;
use crate::model::Model;
use crate::mutation::Mutation;
use crate::state::{Apply, FLOATING, Ghost, NODES, Unfolded};

impl Model {
    /// A swap reaches the register. True: it won.
    pub(crate) fn land(&mut self, full: &mut Unfolded, number: u32) -> bool {
        let (next, ledger) = (
            std::rc::Rc::clone(self.tables.documents.get(number)),
            std::rc::Rc::clone(self.tables.documents.get(full.rest.ledger)),
        );
        if next.rev != ledger.rev + 1 {
            return false;
        }
        if self.tables.mutation == Some(Mutation::StaleRead) {
            full.rest.before = full.rest.ledger;
        }
        full.rest.ledger = number;
        full.rest.used.revs += 1;
        // All of them were for the same revision.
        full.rest.floating = [0; FLOATING];
        if next.epoch != ledger.epoch {
            full.rest.used.epochs += 1;
            let primary = &full.nodes[self.tables.index(&next.primary)];
            if full.rest.acked & !primary.database.log.writes() != 0 {
                self.violation = Some("I2: the new primary has not applied an acknowledged write");
            }
        }
        true
    }

    /// Everything up to `len` on `me` has its acknowledgement.
    pub(crate) fn acknowledge(&mut self, full: &mut Unfolded, me: usize, len: u8) {
        let database = &mut full.nodes[me].database;
        let until = len.min(database.log.len);
        if until <= database.committed {
            return;
        }
        database.committed = until;
        let mut acked = database.log;
        acked.truncate(until);
        let acked = acked.writes();
        if acked & !full.rest.acked != 0 && self.primary(full) != me {
            self.violation = Some("I3: an acknowledgement from one who is not primary");
        }
        if self.bounds.policy == Policy::Strict {
            let copies = full.nodes.iter().filter(|node| {
                node.database.has_data && acked & !node.database.holds().writes() == 0
            });
            if copies.count() < 2 && acked & !full.rest.acked != 0 {
                self.violation = Some("strict: an acknowledgement with fewer than two copies");
            }
        }
        full.rest.acked |= acked;
    }

    /// Ends the connections that cannot be any more.
    pub(crate) fn settle(full: &mut Unfolded) {
        for me in 0..NODES {
            let Some(link) = full.nodes[me].database.source else {
                continue;
            };
            if !full.nodes[me].database.connected {
                continue;
            }
            if !Self::admitted(full, me) {
                let database = &mut full.nodes[me].database;
                database.connected = false;
                if database.receiving == Receiving::Streaming {
                    database.receiving = Receiving::Connecting;
                }
                let theirs = &mut full.nodes[link.to as usize].admissions[me];
                theirs.take_if(|admission| admission.ghost == Some(Ghost::WhileConnected));
            }
        }
        for to in 0..NODES {
            for me in 0..NODES {
                let database = &full.nodes[me].database;
                let is = database.connected
                    && database.source.is_some_and(|link| link.to as usize == to);
                if let Some(admission) = &mut full.nodes[to].admissions[me] {
                    admission.connected = is;
                }
            }
        }
    }

    fn admitted(full: &Unfolded, me: usize) -> bool {
        let ours = &full.nodes[me];
        let Some(link) = ours.database.source else {
            return false;
        };
        let theirs = &full.nodes[link.to as usize];
        ours.database.running
            && theirs.database.running
            && theirs.admissions[me].is_some_and(|admission| {
                let as_asked = admission.epoch == link.epoch && admission.mode == link.mode;
                let loose = admission.ghost.is_some() && admission.epoch == link.epoch;
                let stamp = admission.boot == ours.boot && admission.data == ours.data;
                (as_asked || loose) && stamp
            })
    }

    /// A replica that wants to connect does, when it is admitted.
    pub(crate) fn connect(full: &mut Unfolded, me: usize) {
        let ours = full.nodes[me].database;
        let Some(link) = ours.source else { return };
        let wants = ours.receiving == Receiving::Connecting && !ours.connected;
        let leftover = full.nodes[link.to as usize].admissions[me]
            .is_some_and(|admission| admission.ghost == Some(Ghost::WhileConnected));
        if !wants || leftover || !Self::admitted(full, me) {
            return;
        }
        let theirs = full.nodes[link.to as usize].database.log;
        let held = ours.holds();
        let last = held.len.checked_sub(1);
        let known = last.is_none_or(|last| theirs.get(last) == held.get(last));
        let database = &mut full.nodes[me].database;
        if !known {
            database.receiving = Receiving::Refused;
            return;
        }
        database.receiving = Receiving::Streaming;
        database.connected = true;
        Self::settle(full);
    }

    /// A connection breaks.
    pub(crate) fn disconnect(full: &mut Unfolded, me: usize) {
        let database = &mut full.nodes[me].database;
        database.connected = false;
        database.receiving = Receiving::Connecting;
        if let Some(link) = database.source {
            let theirs = &mut full.nodes[link.to as usize].admissions[me];
            theirs.take_if(|admission| admission.ghost == Some(Ghost::WhileConnected));
        }
        Self::settle(full);
    }

    /// A replica receives one transaction.
    pub(crate) fn ship(full: &mut Unfolded, me: usize) {
        let Some(link) = full.nodes[me].database.source else {
            return;
        };
        let theirs = full.nodes[link.to as usize].database.log;
        let database = &mut full.nodes[me].database;
        if let Some(txn) = theirs.get(database.holds().len) {
            database.relay.push(txn);
        }
    }

    /// The source hears what a replica has received.
    pub(crate) fn ack(&mut self, full: &mut Unfolded, me: usize) {
        let database = full.nodes[me].database;
        let Some(link) = database.source else { return };
        let source = link.to as usize;
        let counts = link.mode == Mode::Sync || self.tables.mutation == Some(Mutation::AsyncCounts);
        if counts && full.nodes[source].database.semi_sync {
            self.acknowledge(full, source, database.holds().len);
        }
    }

    pub(crate) fn apply(full: &mut Unfolded, me: usize) {
        let database = &mut full.nodes[me].database;
        if database.running && database.applying == Apply::Running {
            let mut relay = std::mem::take(&mut database.relay);
            database.log.append(&mut relay);
            database.committed = database.log.len;
        }
    }

    pub(crate) fn primary(&self, full: &Unfolded) -> usize {
        let ledger = self.tables.documents.get(full.rest.ledger);
        self.tables.index(&ledger.primary)
    }
}
