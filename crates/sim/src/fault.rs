//! From the dice to faults: what breaks, for how long, and how it is mended. What the cluster does not promise
//! to survive (the last copy of what was acknowledged) is not broken.

mod harm;
mod kind;
mod survival;

pub use kind::Kind;

use cluster::Health;

use crate::clock::{MS, Micros, SECOND};
use crate::event::{Event, Id, Life};
use crate::world::World;

pub(crate) use kind::KINDS;

/// A fault that lasts.
pub(crate) struct Fault {
    kind: Kind,
    me: Id,
    other: Id,
}

impl World {
    /// The next fault, if the world has one left; then the one after it.
    pub(crate) fn next_fault(&mut self) {
        if self.is_healing {
            return;
        }
        if self.now < self.safety_ends {
            let gap = self.dice.between(self.temper.gap / 4, self.temper.gap * 2);
            self.schedule.at(self.now + gap, Event::Fault);
            if let Some(kind) = self.dice.pick(&self.temper.kinds) {
                self.strike(kind);
            }
        } else {
            self.mend_all();
        }
    }

    fn victim(&mut self, kind: Kind) -> Id {
        let nodes = self.nodes.len() as u64;
        let primary = self.id_of(&self.register.document.primary);
        let needs_server = !matches!(
            kind,
            Kind::AgentKilled
                | Kind::AgentFrozen
                | Kind::PowerLost
                | Kind::CableCut
                | Kind::CableOneWay
                | Kind::Isolated
        );
        if self.dice.percent(50) {
            return primary;
        }
        let data = self.data.len() as u64;
        self.dice.below(if needs_server { data } else { nodes }) as Id
    }

    fn strike(&mut self, kind: Kind) {
        let me = self.victim(kind);
        let other =
            (me + 1 + self.dice.below(self.nodes.len() as u64 - 1) as usize) % self.nodes.len();
        if !self.can_strike(kind, me) {
            return;
        }
        *self.tally.faults.entry(kind).or_insert(0) += 1;
        let who = self.names[me].clone();
        self.tell("FAULT", || format!("{}: {who}", kind.name()));
        if let Some(lasts) = self.begin(kind, me, other) {
            self.numbers += 1;
            let fault = self.numbers;
            self.faults.insert(fault, Fault { kind, me, other });
            self.schedule.at(self.now + lasts, Event::Mend { fault });
        }
    }

    /// Breaks it. How long it lasts, when it is not over at once.
    fn begin(&mut self, kind: Kind, me: Id, other: Id) -> Option<Micros> {
        let short = self.dice.between(20 * MS, 1_500 * MS);
        let long = self.dice.between(SECOND, 12 * SECOND);
        let lasts = if self.dice.percent(40) { short } else { long };
        match kind {
            Kind::ServerKilled => self.kill_server(me),
            Kind::AgentKilled => {
                self.kill_agent(me);
                self.schedule.at(self.now + lasts, Event::StartAgent { me });
            }
            Kind::PowerLost => {
                self.lose_power(me);
                self.schedule.at(self.now + lasts, Event::PowerOn { me });
            }
            Kind::AllPowerLost => {
                for me in 0..self.nodes.len() {
                    self.lose_power(me);
                    let lasts = self.dice.between(100 * MS, 6 * SECOND);
                    self.schedule.at(self.now + lasts, Event::PowerOn { me });
                }
            }
            Kind::DiskWiped => self.wipe(me),
            Kind::ApplyFails => self.server_mut(me).poisoned = true,
            Kind::Purged => {
                let server = self.server_mut(me);
                server.purged = server.committed;
            }
            Kind::AgentFrozen => self.nodes[me].is_frozen = true,
            Kind::NodeFrozen => {
                self.nodes[me].is_frozen = true;
                self.freeze_server(me, true);
            }
            Kind::ServerFrozen => self.freeze_server(me, true),
            Kind::DiskHung => self.server_mut(me).health = Health::DiskHung,
            Kind::DiskFull => self.server_mut(me).health = Health::DiskFull,
            Kind::DiskReadOnly => self.server_mut(me).health = Health::DiskReadOnly,
            Kind::ApplySlow => {
                let takes = self.dice.between(60 * MS, 900 * MS);
                self.server_mut(me).applies_in = takes;
            }
            Kind::ServerSlow => self.server_mut(me).slowness = 1 + self.pace(),
            Kind::CableOneWay => self.network.cut(me, other),
            Kind::CableCut => self.cable(me, other, true),
            Kind::Isolated => self.isolate(me, true),
            Kind::NetworkBad => {
                self.network.loss = 80;
                self.network.delay = self.dice.between(MS, 80 * MS);
                self.network.jitter = self.network.delay;
                self.network.twice = 50;
            }
            Kind::LedgerDown => self.register.outage += 1,
            Kind::LedgerSlow => self.register.slowness = 1 + 5 * self.pace(),
            Kind::LedgerUnsaid => self.register.unsaid = 40,
        }
        let is_over = matches!(
            kind,
            Kind::ServerKilled
                | Kind::AgentKilled
                | Kind::PowerLost
                | Kind::AllPowerLost
                | Kind::DiskWiped
                | Kind::ApplyFails
                | Kind::Purged
        );
        (!is_over).then_some(lasts)
    }

    fn pace(&mut self) -> u64 {
        self.dice.between(10, 100)
    }

    /// A fault ends.
    pub(crate) fn mend(&mut self, fault: Life) {
        let Some(Fault { kind, me, other }) = self.faults.remove(&fault) else {
            return;
        };
        let who = self.names[me].clone();
        self.tell("mended", || format!("{}: {who}", kind.name()));
        match kind {
            Kind::AgentFrozen => self.thaw(me),
            Kind::NodeFrozen => {
                self.freeze_server(me, false);
                self.thaw(me);
            }
            Kind::ServerFrozen => self.freeze_server(me, false),
            Kind::DiskHung | Kind::DiskFull | Kind::DiskReadOnly => {
                self.server_mut(me).health = Health::Ok;
            }
            Kind::ApplySlow => self.server_mut(me).applies_in = 300,
            Kind::ServerSlow => self.server_mut(me).slowness = 1,
            Kind::CableOneWay => self.network.mend(me, other),
            Kind::CableCut => self.cable(me, other, false),
            Kind::Isolated => self.isolate(me, false),
            Kind::NetworkBad => {
                let well = crate::network::Network::new(0);
                self.network.loss = well.loss;
                (self.network.delay, self.network.jitter) = (well.delay, well.jitter);
                self.network.twice = well.twice;
            }
            Kind::LedgerDown => {
                self.register.outage = self.register.outage.saturating_sub(1);
            }
            Kind::LedgerSlow => self.register.slowness = 1,
            Kind::LedgerUnsaid => self.register.unsaid = self.temper.unsaid,
            _ => {}
        }
    }

    /// All faults end now, and there are no more of them.
    pub(crate) fn mend_all(&mut self) {
        self.is_healing = true;
        self.mended_at = self.now;
        self.tell("mended", || "everything, for good".into());
        let faults: Vec<_> = self.faults.keys().copied().collect();
        for fault in faults {
            self.mend(fault);
        }
        self.register.unsaid = 0;
        for me in 0..self.nodes.len() {
            self.nodes[me].has_power = true;
            if self.nodes[me].agent.is_none() {
                self.start_agent(me);
            }
        }
        for client in &mut self.clients {
            client.told = 0;
        }
        self.schedule.at(self.now, Event::Check);
    }
}
