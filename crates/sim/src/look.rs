//! An agent's look at its own server, and the probes of its health: a mirror of the keeper's `slot.rs`,
//! `observe.rs` and `health.rs`.

use cluster::{Admission, Health, Running, Server as Seen};

use crate::agent::{Agent, Alive};
use crate::clock::{MS, Micros, SECOND};
use crate::event::{Id, Life, Stir};
use crate::server::{Beside, Process};
use crate::world::World;

const STATUS_LIMIT: Micros = 500 * MS;
const SEARCH_PACE: Micros = 500 * MS;
const ENDING_LIMIT: Micros = 5 * SECOND;
/// After so many failures in a row a relay log counts as one that cannot be applied; it is still tried.
const SALVAGE_TRIES: u32 = 3;
/// Probes: at rest, least pause, and how long an answer may take.
const PROBE_PACE: Micros = SECOND;
const PROBE_REST: Micros = 100 * MS;
const PROBE_LIMIT: Micros = SECOND;

impl World {
    /// How long the server takes to tell its status now, or not to.
    pub(crate) fn look_takes(&mut self, me: Id) -> Micros {
        let Some(server) = &self.nodes[me].server else {
            return 20;
        };
        let slow = server.slowness;
        if server.process != Process::Up {
            return 200;
        }
        let agent = self.nodes[me].agent.as_ref();
        let alive = agent.and_then(|agent| agent.alive.as_ref());
        if alive.is_some_and(|alive| alive.finding.0 == Health::Hung) {
            return 50;
        }
        if server.frozen {
            return STATUS_LIMIT;
        }
        (self.dice.between(300, 2_500) * slow).min(STATUS_LIMIT)
    }

    /// The look has come to its end.
    pub(crate) fn look(&mut self, me: Id) {
        let now = self.now;
        let node = &mut self.nodes[me];
        let (Some(server), Some(agent)) = (&node.server, &mut node.agent) else {
            return;
        };
        if agent.has_ended() {
            agent.alive = None;
            agent.view.memory.server_ended();
        }
        if agent.alive.is_none() {
            let searched = agent.missed.is_some_and(|at| now - at < SEARCH_PACE);
            if searched && matches!(agent.view.server, Seen::Stopped | Seen::NoData) {
                return;
            }
            if server.process == Process::Down {
                agent.missed = Some(now);
                let seen = if server.has_data {
                    Seen::Stopped
                } else {
                    Seen::NoData
                };
                agent.sees(seen);
                return;
            }
            agent.unsalvaged.0 = 0;
            agent.alive = Some(Alive {
                server: server.life,
                ended: false,
                finding: (Health::Ok, true),
                bad: 0,
                answered: false,
                killed: None,
            });
            let what = Stir::Probe {
                server: server.life,
            };
            self.stir_after(me, MS, what);
        }
        self.ask_status(me);
    }

    fn ask_status(&mut self, me: Id) {
        let now = self.now;
        let stream = self.stream_of(me).map(|stream| stream.flowed);
        let node = &mut self.nodes[me];
        let (Some(server), Some(agent)) = (&node.server, &mut node.agent) else {
            return;
        };
        let Some(alive) = &mut agent.alive else {
            return;
        };
        if alive.killed.is_some_and(|at| now - at < ENDING_LIMIT) {
            agent.sees(Seen::Busy(Seen::ENDING.into()));
            return;
        }
        let (health, listens) = alive.finding.clone();
        if !listens && !alive.answered {
            agent.sees(Seen::Busy("starting".into()));
            return;
        }
        if health == Health::Hung {
            let known = agent.view.server.running().cloned();
            let running = Running {
                health,
                ..known.unwrap_or_else(Running::unknown)
            };
            agent.sees(Seen::Running(Box::new(running)));
            return;
        }
        if alive.server != server.life || server.process == Process::Down {
            agent.alive = None;
            agent.view.memory.server_ended();
            agent.sees(Seen::Stopped);
            return;
        }
        if !server.answers() {
            return;
        }
        alive.answered = true;
        let primary = agent.view.document.as_ref().map(|d| d.primary.clone());
        if let Some(peer) = primary.and_then(|primary| agent.view.peers.get(&primary))
            && let Some(running) = peer.report.server.running()
        {
            agent.lag.primary_at(peer.heard, &running.written);
        }
        let applied = server.position(server.log.len());
        let silent = stream.map(|at| node.clock.shows(now) - node.clock.shows(at));
        let beside = Beside {
            health,
            waiting_ms: waiting(agent, server.semi_sync && server.waiting() > 0, &applied),
            source: agent.upstream.as_ref().map(|(source, _)| source.clone()),
            silent_ms: silent.unwrap_or(u64::MAX),
            lag_ms: agent.lag.of(agent.view.now, &applied),
            unsalvaged: (agent.unsalvaged.0 >= SALVAGE_TRIES).then(|| agent.unsalvaged.1.clone()),
        };
        let running = server.words(beside);
        agent.sees(Seen::Running(Box::new(running)));
    }

    /// While an action runs: brings the server's end and its health up to date in the view. True when from
    /// now on it does not serve.
    pub(crate) fn notices(&mut self, me: Id) -> bool {
        let Some(agent) = &mut self.nodes[me].agent else {
            return false;
        };
        let (Some(alive), Seen::Running(running)) = (&agent.alive, &agent.view.server) else {
            return false;
        };
        if alive.ended {
            agent.sees(Seen::Stopped);
            return true;
        }
        let health = alive.finding.0.clone();
        if running.health == health {
            return false;
        }
        let hangs = matches!(health, Health::Hung | Health::DiskHung);
        let running = Running {
            health,
            ..(**running).clone()
        };
        agent.sees(Seen::Running(Box::new(running)));
        hangs
    }

    /// The process or its health is not as the view has it.
    pub(crate) fn differs(&self, me: Id) -> bool {
        let Some(agent) = &self.nodes[me].agent else {
            return false;
        };
        let Some(alive) = &agent.alive else {
            return false;
        };
        let known = agent.view.server.running().map(|running| &running.health);
        alive.ended || known.is_some_and(|known| *known != alive.finding.0)
    }

    /// The allow-list as the core sees it.
    pub(crate) fn read_admissions(&mut self, me: Id) {
        let live: Vec<_> = self
            .streams
            .values()
            .filter(|stream| stream.primary == me && stream.primary_up)
            .map(|stream| (stream.replica, stream.hello))
            .collect();
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let mut seen = std::collections::BTreeMap::new();
        for (replica, admitted) in &agent.admitted {
            let connected = live.contains(&(*replica, *admitted));
            let entry = agent
                .connected
                .entry(*replica)
                .or_insert((connected, agent.view.now));
            if entry.0 != connected {
                *entry = (connected, agent.view.now);
            }
            let admission = Admission {
                epoch: admitted.epoch,
                mode: admitted.mode,
                stamp: admitted.stamp,
                connected,
                since: entry.1,
            };
            seen.insert(self.names[*replica].clone(), admission);
        }
        agent
            .connected
            .retain(|replica, _| agent.admitted.contains_key(replica));
        agent.view.admissions = seen;
    }

    /// What a probe would find now, and whether the port is open.
    fn truth(&self, me: Id) -> Option<(Health, bool)> {
        let server = self.nodes[me].server.as_ref()?;
        match server.process {
            Process::Down => None,
            Process::Recovering => Some((Health::Hung, false)),
            Process::Up if server.frozen => Some((Health::Hung, true)),
            Process::Up => Some((server.health.clone(), true)),
        }
    }

    /// A probe begins.
    pub(crate) fn probe(&mut self, me: Id, server: Life) {
        let takes = match self.truth(me) {
            Some((Health::Hung, true) | (Health::DiskHung, _)) => PROBE_LIMIT,
            _ => self.dice.between(MS, 6 * MS),
        };
        self.stir_after(me, takes, Stir::Probed { server });
    }

    /// A probe ends. One bad answer is asked again at once; two in a row are believed.
    pub(crate) fn probed(&mut self, me: Id, server: Life) {
        let Some(found) = self.truth(me) else {
            return;
        };
        let doubts = self.dice.percent(30);
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let Some(alive) = agent
            .alive
            .as_mut()
            .filter(|a| a.server == server && !a.ended)
        else {
            return;
        };
        let is_well = found.0 == Health::Ok;
        alive.bad = if is_well { 0 } else { alive.bad + 1 };
        if alive.bad == 1 {
            self.stir_after(me, MS, Stir::Probe { server });
            return;
        }
        let differs = alive.finding != found;
        alive.finding = found;
        let pause = if is_well && !doubts {
            PROBE_PACE
        } else {
            PROBE_REST
        };
        self.stir_after(me, pause, Stir::Probe { server });
        if differs {
            self.news(me);
        }
    }
}

/// For how long commits have waited without any getting through.
fn waiting(agent: &mut Agent, waits: bool, end: &cluster::Position) -> cluster::Millis {
    if !waits {
        agent.waiting = None;
        return 0;
    }
    match &agent.waiting {
        Some((since, at)) if at == end => agent.view.now.saturating_sub(*since),
        _ => {
            agent.waiting = Some((agent.view.now, end.clone()));
            0
        }
    }
}
