//! What must hold at every step, whatever happens: nothing acknowledged is lost, one node at most can
//! acknowledge, revisions and epochs only grow. What breaks is noted with its moment and ends the simulation.

use cluster::{ChangeKind, Document, Epoch, Mode};

use crate::event::Id;
use crate::server::Txn;
use crate::world::{Broken, World};

/// A write that some server has answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acked {
    pub(crate) at: usize,
    pub(crate) id: u64,
}

impl World {
    /// Notes that a rule is broken; the first one counts.
    pub(crate) fn breaks(&mut self, rule: &'static str, what: String) {
        if self.broken.is_none() {
            self.tell("BROKEN", || format!("{rule}: {what}"));
            self.broken = Some(Broken { rule, what });
        }
    }

    /// A server answers a write: somebody else who counts has it, or the ledger says that it is alone.
    pub(crate) fn acknowledged(&mut self, me: Id, at: usize, txn: Txn) {
        if self.server(me).opened < self.forced {
            // The operator accepted this: the former primary may still answer those who reach it.
            return;
        }
        self.tally.acknowledged += 1;
        self.acked.push(Acked { at, id: txn.id });
        let document = std::rc::Rc::clone(&self.register.document);
        let primary = self.id_of(&document.primary);
        if primary != me {
            let cut = document
                .cuts
                .last()
                .map_or(0, |cut| cut.position.sequence(0));
            let has = self.has_applied(primary, at, txn.id) || !self.server(primary).has_data;
            if (at as u64) >= cut || !has {
                let (me, other) = (&self.names[me], &self.names[primary]);
                let what = format!("{me} acknowledges write {} and {other} is primary", txn.id);
                self.breaks("one writer", what);
            }
            return;
        }
        let held = document.in_sync.iter().any(|(node, stamp)| {
            let member = self.id_of(node);
            let is_other = self.nodes[member].stamp() != *stamp;
            let server = self.server(member);
            // One that lost its power or its data a moment ago has done so by a fault.
            is_other || !server.has_data || server.holds(at).is_some_and(|t| t.id == txn.id)
        });
        if !held && !document.in_sync.is_empty() {
            let what = format!(
                "{} acknowledges write {} and no member of the set holds it",
                self.names[me], txn.id
            );
            self.breaks("two copies", what);
        }
    }

    fn has_applied(&self, me: Id, at: usize, id: u64) -> bool {
        let txn = self.server(me).log.get(at);
        txn.is_some_and(|txn| txn.id == id)
    }

    /// The first acknowledged write that a node has not applied.
    pub(crate) fn first_lost(&self, me: Id) -> Option<Acked> {
        let mut lost = self.acked.iter().rev();
        lost.find(|write| !self.has_applied(me, write.at, write.id))
            .copied()
    }

    /// A swap has won.
    pub(crate) fn check_landing(&mut self, before: &Document, next: &Document) {
        let steps = next.epoch.checked_sub(before.epoch);
        if next.rev != before.rev + 1 || steps.is_none_or(|steps| steps > 1) {
            let what = format!("epoch {} after epoch {}", next.epoch, before.epoch);
            self.breaks("epochs grow", what);
        }
        if next.epoch == before.epoch {
            if next.primary != before.primary {
                self.breaks("epochs grow", "another primary in the same epoch".into());
            }
            return;
        }
        self.tally.changes += 1;
        let primary = self.id_of(&next.primary);
        let kind = next.last_change.as_ref().map(|change| change.kind);
        match kind {
            Some(ChangeKind::Forced) => {
                self.tally.forced += 1;
                self.forced = next.epoch;
                let acked = std::mem::take(&mut self.acked);
                let kept = acked.iter().copied();
                let kept = kept.filter(|w| self.has_applied(primary, w.at, w.id));
                self.acked = kept.collect();
            }
            Some(ChangeKind::Switchover) => self.tally.switchovers += 1,
            _ => self.tally.failovers += 1,
        }
        self.check_history(primary, "becomes primary");
    }

    /// A server is opened for writes.
    pub(crate) fn check_opening(&mut self, me: Id) {
        if self.names[me] == self.register.document.primary {
            self.check_history(me, "opens");
        }
    }

    fn check_history(&mut self, me: Id, does: &str) {
        if let Some(lost) = self.first_lost(me) {
            let name = &self.names[me];
            let what = format!(
                "{name} {does} without the acknowledged write {} at {}",
                lost.id,
                lost.at + 1
            );
            self.breaks("nothing acknowledged is lost", what);
        }
    }

    /// At every step: whoever could answer a write now is the primary.
    pub(crate) fn check_writers(&mut self) {
        for me in 0..self.nodes.len() {
            let Some(server) = self.nodes[me].server.as_ref() else {
                continue;
            };
            let is_open = server.is_up() && !server.read_only && server.opened >= self.forced;
            if !is_open || self.names[me] == self.register.document.primary {
                continue;
            }
            let answered = self.streams.values().any(|stream| {
                stream.primary == me
                    && stream.primary_up
                    && stream.replica_up
                    && stream.hello.mode == Mode::Sync
            });
            if !server.semi_sync || answered {
                let (name, primary) = (&self.names[me], &self.register.document.primary);
                let what = format!("{name} could acknowledge and {primary} is primary");
                self.breaks("one writer", what);
            }
        }
    }

    /// What an agent publishes: one node at most serves in an epoch, and none in two at a time.
    pub(crate) fn check_picture(&mut self, me: Id) {
        let agent = self.nodes[me].agent.as_ref();
        let serving: Option<Epoch> = agent.and_then(|agent| agent.picture.report.serving);
        let Some(epoch) = serving else {
            return;
        };
        let first = *self.serving.entry(epoch).or_insert(me);
        if first != me {
            let (a, b) = (&self.names[first], &self.names[me]);
            let what = format!("{a} and {b} serve in epoch {epoch}");
            self.breaks("one primary in an epoch", what);
        }
    }
}
