//! The server's health, probed beside the loop. One bad answer is asked again at once; two in a row
//! are believed. How long an illness must last before anything is done is the core's to say.

use std::time::Duration;

use cluster::Health;
use mariadb::{Health as Found, Limits, Server};
use tokio::sync::watch;

const PACE: Duration = Duration::from_millis(500);
/// What does not answer in this time, twice in a row, is ill.
const LIMIT: Duration = Duration::from_secs(1);

/// Probes until nobody listens any more.
pub(crate) async fn watch_over(server: Server, told: watch::Sender<Health>) {
    let mut prober = server.prober();
    let limits = Limits {
        answer: LIMIT,
        write: LIMIT,
        disk: LIMIT,
        ..Limits::default()
    };
    let mut bad = 0_u32;
    while !told.is_closed() {
        let found = prober.probe(&limits).await;
        let health = judge(&found);
        if health == Health::Ok {
            bad = 0;
        } else {
            bad += 1;
            tracing::debug!(?found, bad, "the server looks ill");
        }
        let believed = if bad == 1 { None } else { Some(health) };
        if let Some(health) = believed {
            told.send_if_modified(|old| {
                let differs = *old != health;
                *old = health;
                differs
            });
        }
        if bad != 1 {
            tokio::time::sleep(PACE).await;
        }
    }
}

fn judge(found: &Found) -> Health {
    match found {
        // A process that has ended is noticed by itself, at once.
        Found::Ok | Found::Busy { .. } | Found::Dead => Health::Ok,
        Found::Failing { what } => {
            tracing::warn!(what, "the server answers a health probe with an error");
            Health::Ok
        }
        Found::Hung { .. } => Health::Hung,
        Found::DiskHung => Health::DiskHung,
        Found::DiskFull { .. } => Health::DiskFull,
        Found::ReadOnlyDisk | Found::DiskFailing { .. } => Health::DiskReadOnly,
        Found::OutOfConnections => Health::OutOfConnections,
    }
}
