//! Commits that wait for an acknowledgement that will not come.

use std::time::Duration;

use super::Keeper;

/// Commits that have waited for this long are looked into, and so often.
const STUCK_AFTER: u64 = 200;
pub(super) const PULSE_PACE: u64 = 500;
/// Longest pause between two pulses that did not help. Why it doubles: each leaves a session of the server
/// behind that waits as well.
const PULSE_PACE_LIMIT: u64 = 60_000;
const PULSE_LIMIT: Duration = Duration::from_secs(2);

impl Keeper {
    /// Commits whose acknowledgement was lost with a connection wait until a later one is acknowledged:
    /// when a member holds everything and they still wait, this node writes that later one itself.
    pub(super) fn release_stuck_commits(&mut self) {
        let Some(running) = self.view.server.running() else {
            return;
        };
        if running.waiting_ms == 0 {
            self.pulse_pace = PULSE_PACE;
            return;
        }
        let since = self.view.now.saturating_sub(self.pulsed);
        let early = running.waiting_ms < STUCK_AFTER || since < self.pulse_pace;
        if early || self.view.serving().is_none() {
            return;
        }
        let holds = |node| {
            let report = self
                .view
                .fresh(node)
                .and_then(|report| report.server.running());
            self.view
                .admissions
                .get(node)
                .is_some_and(|admission| admission.connected)
                && report.is_some_and(|member| member.received.covers(&running.written))
        };
        let in_sync = self
            .view
            .document
            .as_ref()
            .map(|document| &document.in_sync);
        if !in_sync.is_some_and(|in_sync| in_sync.keys().any(holds)) {
            return;
        }
        self.pulse_pace = (self.pulse_pace * 2).min(PULSE_PACE_LIMIT);
        tracing::info!("commits wait though a member holds everything: writes a pulse");
        self.pulse();
    }

    /// Commits that were sent just before semi-sync was switched on were sent without asking for an
    /// acknowledgement, and wait for one all the same.
    pub(super) fn semi_sync_is_on(&mut self) {
        let open = self
            .view
            .server
            .running()
            .is_some_and(|running| !running.read_only);
        if open && self.view.is_confirmed() {
            self.pulse();
        }
    }

    fn pulse(&mut self) {
        let Some(server) = self.actor.server.clone() else {
            return;
        };
        self.pulsed = self.view.now;
        tokio::spawn(async move {
            if let Err(error) = server.pulse(PULSE_LIMIT).await {
                tracing::warn!(%error, "no pulse");
            }
        });
    }
}
