//! What must hold after every step, whatever happens.

use cluster::{Document, Mode, NodeName};

use crate::world::World;

impl World {
    /// A swap reaches the register. True: it won.
    pub(crate) fn land(&mut self, next: Document) -> bool {
        if next.rev != self.ledger.rev + 1 {
            return false;
        }
        let new_epoch = next.epoch != self.ledger.epoch;
        self.ledger = next;
        self.floating
            .retain(|document| document.rev > self.ledger.rev);
        if new_epoch {
            if self.forced {
                let held = self.acked.iter().copied();
                let held = held.filter(|w| self.has(&self.ledger.primary, *w));
                self.acked = held.collect();
            }
            for write in &self.acked {
                let primary = &self.ledger.primary;
                let applied = self.nodes[primary].server().log.get(write.0);
                let has = applied.is_some_and(|txn| txn.id == write.1);
                assert!(has, "I2: {primary} has not applied {write:?}");
            }
        }
        true
    }

    fn has(&self, me: &NodeName, (at, id): (usize, u64)) -> bool {
        let server = self.nodes[me].server();
        server.holds(at).is_some_and(|txn| txn.id == id)
    }

    /// I1 and I3.
    pub(crate) fn check(&self) {
        let recent = self.acked.iter().rev().take(12);
        let primary = &self.ledger.primary;
        let named = &self.nodes[primary];
        let claims = named.data == self.ledger.primary_data && named.server().has_data;
        for write in recent {
            // One that came back without its power or its data vouches for nothing: nobody can take
            // over while it is named, and the primary has everything.
            let gone = self.ledger.in_sync.iter().any(|(me, stamp)| {
                let node = &self.nodes[me];
                node.stamp() != *stamp || !node.server().has_data
            });
            let held = self.ledger.in_sync.keys().any(|me| self.has(me, *write));
            let alone = self.ledger.in_sync.is_empty() && self.has(primary, *write);
            assert!(
                held || alone || (gone && (!claims || self.has(primary, *write))),
                "I1: {write:?} is held by nobody that counts"
            );
        }
        for (me, node) in &self.nodes {
            let Some(server) = node.database.as_ref().filter(|server| server.running) else {
                continue;
            };
            let answered = self
                .connections
                .values()
                .any(|c| c.to == *me && c.mode == Mode::Sync);
            let acknowledges = !server.read_only && (!server.semi_sync || answered);
            assert!(
                !acknowledges || *me == self.ledger.primary || self.forced,
                "I3: {me} acknowledges and {} is primary",
                self.ledger.primary
            );
        }
    }
}
