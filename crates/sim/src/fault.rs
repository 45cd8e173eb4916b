//! From the dice to faults: what breaks, for how long, and how it is mended. What the cluster does not promise
//! to survive (the last copy of what was acknowledged) is not broken.

use cluster::{BootId, Document, Health};

use crate::clock::{MS, Micros, SECOND};
use crate::event::{Event, Id, Life};
use crate::server::{Process, Server};
use crate::world::World;

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident = $name:literal,)*) => {
        /// What can break.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Kind { $($(#[$doc])* $kind,)* }

        /// All of them.
        pub(crate) const KINDS: &[Kind] = &[$(Kind::$kind,)*];

        impl Kind {
            /// In words.
            pub fn name(self) -> &'static str {
                match self { $(Self::$kind => $name,)* }
            }
        }
    };
}

kinds! {
    /// The server's process is killed.
    ServerKilled = "server killed",
    /// Nothing in it moves for a while.
    ServerFrozen = "server frozen",
    /// Its disk does not answer.
    DiskHung = "disk hung",
    /// Its disk has no room.
    DiskFull = "disk full",
    /// Its disk refuses writes.
    DiskReadOnly = "disk read-only",
    /// The agent is killed and started again.
    AgentKilled = "agent killed",
    /// The agent is stopped and goes on with an old view.
    AgentFrozen = "agent frozen",
    /// Agent and server are.
    NodeFrozen = "node frozen",
    /// A node loses power; its relay log is cut short.
    PowerLost = "power lost",
    /// All nodes do at once.
    AllPowerLost = "all power lost",
    /// A node comes back with an empty disk.
    DiskWiped = "disk wiped",
    /// A replica cannot apply what comes next.
    ApplyFails = "apply error",
    /// A replica applies slowly.
    ApplySlow = "replica lags",
    /// Everything on a server takes long.
    ServerSlow = "server slow",
    /// A cable is cut in one direction.
    CableOneWay = "cable cut one way",
    /// A cable is cut.
    CableCut = "cable cut",
    /// A node hears nobody.
    Isolated = "node isolated",
    /// Packets are lost and late.
    NetworkBad = "network lossy and slow",
    /// The ledger does not answer.
    LedgerDown = "ledger unavailable",
    /// It answers late.
    LedgerSlow = "ledger slow",
    /// Its answers get lost.
    LedgerUnsaid = "ledger undecided",
    /// Binlogs that a replica needs are purged.
    Purged = "binlogs purged",
}

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

    /// Not what would take the last copy of what was acknowledged, nor what makes no sense now.
    fn can_strike(&self, kind: Kind, me: Id) -> bool {
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

    fn cable(&mut self, a: Id, b: Id, is_cut: bool) {
        for (from, to) in [(a, b), (b, a)] {
            if is_cut {
                self.network.cut(from, to);
            } else {
                self.network.mend(from, to);
            }
        }
    }

    fn isolate(&mut self, me: Id, is_cut: bool) {
        for other in (0..self.nodes.len()).filter(|other| *other != me) {
            self.cable(me, other, is_cut);
        }
    }

    fn freeze_server(&mut self, me: Id, is_frozen: bool) {
        if let Some(server) = &mut self.nodes[me].server {
            server.frozen = is_frozen && server.process != Process::Down;
        }
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

    /// SIGKILL, or what looks like it.
    pub(crate) fn kill_server(&mut self, me: Id) {
        let Some(server) = self.nodes[me].server.as_mut() else {
            return;
        };
        if server.process == Process::Down {
            return;
        }
        let life = server.life;
        server.kill();
        self.tell_of(me, || "  the server's process ends".into());
        self.end_streams_of(me);
        let takes = self.dice.between(300, 15 * MS);
        self.stir_after(me, takes, crate::event::Stir::ServerEnded { server: life });
    }

    pub(crate) fn kill_agent(&mut self, me: Id) {
        let node = &mut self.nodes[me];
        if node.agent.take().is_none() {
            return;
        }
        node.is_frozen = false;
        node.waiting.clear();
        if let Some(server) = &mut node.server {
            server.closing = false;
        }
        self.copies.remove(&me);
        self.end_streams_of(me);
    }

    /// What was not flushed is gone, and the next boot is another one.
    fn lose_power(&mut self, me: Id) {
        if !self.nodes[me].has_power {
            return;
        }
        self.kill_server(me);
        self.kill_agent(me);
        self.numbers += 1;
        let boot = BootId(self.numbers.into());
        let node = &mut self.nodes[me];
        node.boot = boot;
        node.has_power = false;
        if let Some(server) = &mut node.server {
            let kept = self.dice.below(server.relay.len() as u64 + 1) as usize;
            server.relay.truncate(kept);
        }
    }

    /// The disk is empty; in half of the cases what the agent keeps of its state is gone as well.
    fn wipe(&mut self, me: Id) {
        self.kill_server(me);
        let with_state = self.dice.percent(50);
        self.kill_agent(me);
        let data = with_state.then(|| {
            self.numbers += 1;
            cluster::DataId(self.numbers.into())
        });
        let node = &mut self.nodes[me];
        let life = node.server.as_ref().map_or(0, |server| server.life) + 1;
        let mut empty = Server::new(false);
        empty.life = life;
        node.server = Some(empty);
        node.tag = None;
        if let Some(data) = data {
            (node.data, node.mark, node.followed) = (data, cluster::Mark::Clean, 0);
        }
        let takes = self.dice.between(50 * MS, 3 * SECOND);
        self.schedule.at(self.now + takes, Event::StartAgent { me });
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
