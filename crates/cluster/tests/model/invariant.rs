//! I1 and I3, asked in every state; I2 is asked when a swap lands, in `flow.rs`.

use cluster::Mode;

use crate::model::Model;
use crate::mutation::Mutation;
use crate::state::Unfolded;

impl Model {
    pub(crate) fn broken(&self, full: &Unfolded) -> Option<&'static str> {
        self.unheld(full).or_else(|| self.second_voice(full))
    }

    /// I1. A member vouches only with the ids that the ledger names.
    fn unheld(&self, full: &Unfolded) -> Option<&'static str> {
        if full.rest.acked == 0 {
            return None;
        }
        let ledger = self.tables.documents.get(full.rest.ledger);
        let primary = &full.nodes[self.tables.index(&ledger.primary)];
        let claims = primary.stamp().data == ledger.primary_data && primary.database.has_data;
        let lacks = |held: u8| full.rest.acked & !held != 0;
        let lacks_primary = lacks(primary.database.log.writes());
        if ledger.in_sync.is_empty() {
            return (!claims || lacks_primary)
                .then_some("I1: it is in no log, and the primary is alone");
        }
        let mut held = 0;
        let mut struck = false;
        for (member, stamp) in &ledger.in_sync {
            let node = &full.nodes[self.tables.index(member)];
            if node.stamp() == *stamp && node.database.has_data {
                held |= node.database.holds().writes();
            } else {
                // By a fault, not by what an agent did.
                struck |= node.stamp().boot != stamp.boot || stamp.data.0 == node.emptied.into();
            }
        }
        let excused = struck && !(claims && lacks_primary);
        (lacks(held) && !excused).then_some("I1: it is in the log of no member")
    }

    /// I3. Nobody but the ledger's primary is in a state to acknowledge.
    fn second_voice(&self, full: &Unfolded) -> Option<&'static str> {
        let primary = self.primary(full);
        let counts_async = self.tables.mutation == Some(Mutation::AsyncCounts);
        let others = full.nodes.iter().filter(|node| node.me as usize != primary);
        for node in others.filter(|node| node.database.running && !node.database.read_only) {
            let answered = full.nodes.iter().any(|other| {
                other.database.connected
                    && other.database.source.is_some_and(|link| {
                        link.to == node.me && (link.mode == Mode::Sync || counts_async)
                    })
            });
            if !node.database.semi_sync || answered {
                return Some("I3: one who is not primary can acknowledge");
            }
        }
        None
    }
}
