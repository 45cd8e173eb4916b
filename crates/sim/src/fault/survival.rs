//! Which faults may be begun: none that would take the last copy of what was acknowledged, by the document of
//! now or by any that may still land.

use cluster::Document;

use super::Kind;
use crate::event::Id;
use crate::world::World;

impl World {
    /// Not what would take the last copy of what was acknowledged, nor what makes no sense now.
    pub(super) fn can_strike(&self, kind: Kind, me: Id) -> bool {
        let everybody: Vec<Id> = (0..self.nodes.len()).collect();
        match kind {
            Kind::DiskWiped => self.survives(&[me], &[me]),
            Kind::PowerLost => self.nodes[me].has_power && self.survives(&[], &[me]),
            Kind::AllPowerLost => self.survives(&[], &everybody),
            Kind::ApplyFails => {
                let is_primary = self.names[me] == self.register.document.primary;
                !is_primary && self.survives(&[], &[me])
            }
            Kind::AgentFrozen | Kind::NodeFrozen | Kind::AgentKilled => self.nodes[me].moves(),
            Kind::ServerFrozen => self.nodes[me].runs(),
            _ => true,
        }
    }

    /// After these nodes have lost their data, and those their power, somebody who counts still has it all:
    /// by the document of now, and by any that may still land.
    pub(crate) fn survives(&self, data: &[Id], power: &[Id]) -> bool {
        let now = &self.register.document;
        self.survives_by(now, data, power, true)
            && self
                .register
                .pending()
                .all(|next| self.survives_by(next, data, power, false))
    }

    fn survives_by(&self, document: &Document, data: &[Id], power: &[Id], is_now: bool) -> bool {
        let primary = self.id_of(&document.primary);
        let node = &self.nodes[primary];
        let claims = !data.contains(&primary)
            && node.data == document.primary_data
            && self.server(primary).has_data
            && !self.server(primary).poisoned;
        if claims && (!is_now || self.first_lost(primary).is_none()) {
            return true;
        }
        !document.in_sync.is_empty()
            && document.in_sync.iter().all(|(name, stamp)| {
                let me = self.id_of(name);
                let is_hit = data.contains(&me) || power.contains(&me);
                let server = self.server(me);
                let holds = |write: &crate::invariant::Acked| {
                    server.holds(write.at).is_some_and(|txn| txn.id == write.id)
                };
                !is_hit
                    && self.nodes[me].stamp() == *stamp
                    && server.has_data
                    && !server.poisoned
                    && self.acked.iter().rev().take(64).all(holds)
            })
    }
}
