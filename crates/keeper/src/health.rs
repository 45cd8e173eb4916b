//! The server's health, probed beside the loop. One bad answer is asked again at once; two in a row
//! are believed. How long an illness must last before anything is done is the core's to say.

use std::sync::Arc;
use std::time::Duration;

use cluster::Health;
use mariadb::{Health as Found, Limits, Server, Silence};
use tokio::sync::{Notify, watch};

/// At rest; whoever finds the server silent asks for a probe at once.
const PACE: Duration = Duration::from_secs(1);
/// Least pause between two probes of a server that seems well.
const REST: Duration = Duration::from_millis(100);
/// What does not answer in this time, twice in a row, is ill.
const LIMIT: Duration = Duration::from_secs(1);

/// What is believed of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) health: Health,
    /// Its port is open. It is closed while it starts and recovers.
    pub(crate) listens: bool,
}

impl Finding {
    pub(crate) fn well() -> Self {
        Self {
            health: Health::Ok,
            listens: true,
        }
    }

    fn of(found: &Found) -> Self {
        let closed = Silence::NotListening;
        Self {
            health: judge(found),
            listens: !matches!(found, Found::Hung { what } if *what == closed),
        }
    }
}

/// Probes until nobody listens any more, at once when there is `doubt`.
pub(crate) async fn watch_over(server: Server, told: watch::Sender<Finding>, doubt: Arc<Notify>) {
    let mut prober = server.prober();
    let limits = Limits {
        answer: LIMIT,
        write: LIMIT,
        disk: LIMIT,
        ..Limits::default()
    };
    let (mut bad, mut failing) = (0_u32, String::new());
    while !told.is_closed() {
        let found = prober.probe(&limits).await;
        let finding = Finding::of(&found);
        if finding.health == Health::Ok {
            bad = 0;
        } else {
            bad += 1;
            tracing::debug!(?found, bad, "the server looks ill");
        }
        complain(&found, &mut failing);
        if bad == 1 {
            continue;
        }
        told.send_if_modified(|old| {
            let differs = *old != finding;
            *old = finding;
            differs
        });
        tokio::time::sleep(REST).await;
        let _ = tokio::time::timeout(PACE.saturating_sub(REST), doubt.notified()).await;
    }
}

/// An error where none should be is told once, not with each probe.
fn complain(found: &Found, told: &mut String) {
    match found {
        Found::Failing { what } if what != told => {
            tracing::warn!(what, "the server answers a health probe with an error");
            what.clone_into(told);
        }
        Found::Ok => told.clear(),
        _ => {}
    }
}

fn judge(found: &Found) -> Health {
    match found {
        // A process that has ended is noticed by itself, at once.
        Found::Ok | Found::Busy { .. } | Found::Dead | Found::Failing { .. } => Health::Ok,
        Found::Hung { .. } => Health::Hung,
        Found::DiskHung => Health::DiskHung,
        Found::DiskFull { .. } => Health::DiskFull,
        Found::ReadOnlyDisk | Found::DiskFailing { .. } => Health::DiskReadOnly,
        Found::OutOfConnections => Health::OutOfConnections,
    }
}
