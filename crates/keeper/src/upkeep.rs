//! What is looked after beside the loop, now and then: settings that somebody changed by hand,
//! accounts that could write on a replica, copies of data that a clone has replaced.

use std::sync::Arc;
use std::time::Duration;

use mariadb::{Remedy, Server};
use tokio::sync::watch;

use crate::{Picture, tail};

/// Settings are compared so often: what is acknowledged under a wrong one may be lost with the server.
const PACE: Duration = Duration::from_secs(1);
const LIMIT: Duration = Duration::from_secs(5);
/// Everything else is looked at every so many rounds.
const REST_EVERY: u32 = 10;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// What people should see to.
    pub(crate) warnings: Vec<String>,
    /// Scheduled events that do not run on this primary; its successor must not enable them.
    pub(crate) disabled_events: Vec<String>,
}

/// Runs until the keeper ends.
pub(crate) async fn run(
    server: Server,
    picture: watch::Receiver<Arc<Picture>>,
    found: watch::Sender<Found>,
) {
    let mut now = Found::default();
    let mut lasting = Vec::new();
    for round in 0_u32.. {
        tokio::time::sleep(PACE).await;
        let about = About::of(&picture.borrow());
        if !about.healthy {
            continue;
        }
        now.warnings = drifted(&server).await;
        if round % REST_EVERY == 0 {
            if about.in_sync {
                forget_old_copies(&server).await;
            }
            lasting = strong_accounts(&server).await.unwrap_or(lasting);
            now.disabled_events = if about.serving {
                server.disabled_events(LIMIT).await.unwrap_or_default()
            } else {
                Vec::new()
            };
        }
        now.warnings.extend(lasting.iter().cloned());
        now.warnings.extend(tail::kept(&server));
        found.send_if_modified(|old| {
            let differs = *old != now;
            now.clone_into(old);
            differs
        });
    }
}

/// What the keeper believes of this node.
struct About {
    healthy: bool,
    serving: bool,
    in_sync: bool,
}

impl About {
    fn of(picture: &Picture) -> Self {
        let view = &picture.view;
        let running = view.server.running();
        let document = view.document.as_ref();
        Self {
            healthy: running.is_some_and(|running| running.health.is_ok()),
            serving: view.serving().is_some(),
            in_sync: document.is_some_and(|document| document.vouches(&view.me, view.stamp())),
        }
    }
}

/// `None` when they could not be looked through.
async fn strong_accounts(server: &Server) -> Option<Vec<String>> {
    let tell = |account: &String| {
        format!("account {account} may write on a replica: revoke READ ONLY ADMIN and SUPER")
    };
    match server.privileged_accounts().await {
        Ok(accounts) => Some(accounts.iter().map(tell).collect()),
        Err(error) => {
            tracing::debug!(%error, "accounts could not be looked through");
            None
        }
    }
}

async fn forget_old_copies(server: &Server) {
    match server.forget_old_copies().await {
        Ok(0) => {}
        Ok(copies) => tracing::info!(copies, "removed data that a clone had replaced"),
        Err(error) => tracing::warn!(%error, "data that a clone had replaced was not removed"),
    }
}

/// Sets back what can be; says what cannot.
async fn drifted(server: &Server) -> Vec<String> {
    let drifts = match server.enforce().await {
        Ok(drifts) => drifts,
        Err(error) => {
            tracing::debug!(%error, "settings could not be checked");
            return Vec::new();
        }
    };
    let mut told = Vec::new();
    for drift in drifts {
        match drift.remedy {
            Remedy::WasSet => tracing::warn!(
                setting = drift.name,
                found = drift.found,
                "set back to {}",
                drift.wanted
            ),
            Remedy::CanBeSet => {}
            Remedy::NeedsRestart => told.push(format!(
                "setting {} is {} and must be {}: restart the server",
                drift.name, drift.found, drift.wanted
            )),
        }
    }
    told
}
