//! What systemd is told. The watchdog is fed only while the keeper publishes: an agent whose keeper
//! hangs is restarted, and MariaDB goes on.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::node::Node;

/// Without a watchdog the status line is all there is to tell.
const PACE: Duration = Duration::from_secs(5);

/// The agent is up.
pub(super) fn ready() {
    tell(&[NotifyState::Ready]);
}

/// Another process is the agent now.
pub(super) fn replaced_by(pid: u32) {
    tell(&[NotifyState::MainPid(pid)]);
}

/// The agent is ending.
pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "systemd cannot be told");
    }
}

/// Feeds the watchdog and the status line until it is told to stop.
pub(super) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) -> Result<(), String> {
    let limit = sd_notify::watchdog_enabled();
    let pace = limit.map_or(PACE, |limit| limit / 4);
    let patience = limit.map_or(PACE, |limit| limit / 2);
    let (mut seen, mut seen_at) = (None, Instant::now());
    let mut told = String::new();
    loop {
        let picture = node.picture();
        let generation = picture.as_ref().map(|picture| picture.generation);
        if generation != seen {
            (seen, seen_at) = (generation, Instant::now());
        }
        if seen_at.elapsed() < patience {
            tell(&[NotifyState::Watchdog]);
        }
        let line = picture
            .map(|picture| picture.reason.clone())
            .unwrap_or_default();
        if line != told {
            tell(&[NotifyState::Status(&line)]);
            told = line;
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            () = sleep(pace) => {}
        }
    }
}
