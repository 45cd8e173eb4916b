//! Commits that wait for an acknowledgement that will not come, and the pulses that release them. A mirror of
//! the keeper's `stuck.rs`.

use cluster::{Millis, NodeName};

use crate::clock::MS;
use crate::event::{Id, Stir};
use crate::world::World;

const STUCK_AFTER: Millis = 200;
const PULSE_PACE: Millis = 500;
const PULSE_PACE_LIMIT: Millis = 60_000;

impl World {
    /// Commits that wait though a member holds everything: a pulse releases them.
    pub(super) fn release_stuck_commits(&mut self, me: Id) {
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let view = &agent.view;
        let Some(running) = view.server.running() else {
            return;
        };
        if running.waiting_ms == 0 {
            agent.pulse_pace = PULSE_PACE;
            return;
        }
        let since = view.now.saturating_sub(agent.pulsed);
        let early = running.waiting_ms < STUCK_AFTER || since < agent.pulse_pace;
        if early || view.serving().is_none() {
            return;
        }
        let holds = |node: &NodeName| {
            let report = view.fresh(node).and_then(|report| report.server.running());
            view.admissions.get(node).is_some_and(|a| a.connected)
                && report.is_some_and(|member| member.received.covers(&running.written))
        };
        let in_sync = view.document.as_ref().map(|document| &document.in_sync);
        if in_sync.is_some_and(|in_sync| in_sync.keys().any(holds)) {
            agent.pulse_pace = (agent.pulse_pace * 2).min(PULSE_PACE_LIMIT);
            agent.pulsed = agent.view.now;
            let takes = self.dice.between(MS, 4 * MS);
            self.stir_after(me, takes, Stir::Pulse);
        }
    }

    pub(super) fn semi_sync_is_on(&mut self, me: Id) {
        let Some(agent) = &mut self.nodes[me].agent else {
            return;
        };
        let running = agent.view.server.running();
        let open = running.is_some_and(|running| !running.read_only);
        if open && agent.view.is_confirmed() {
            agent.pulsed = agent.view.now;
            let takes = self.dice.between(MS, 4 * MS);
            self.stir_after(me, takes, Stir::Pulse);
        }
    }

    pub(super) fn pulse(&mut self, me: Id) {
        self.write(me, None);
    }
}
