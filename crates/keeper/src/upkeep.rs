//! What is looked after beside the loop, now and then: settings that somebody changed by hand,
//! accounts that could write on a replica, copies of data that a clone has replaced.

use std::sync::Arc;
use std::time::Duration;

use mariadb::{Remedy, Server};
use tokio::sync::watch;

use crate::Picture;

const PACE: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(5);
/// Accounts are looked through at every so many rounds.
const ACCOUNTS_EVERY: u32 = 30;

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
    let mut privileged = Vec::new();
    for round in 0_u32.. {
        tokio::time::sleep(PACE).await;
        let (healthy, serving, in_sync) = {
            let picture = picture.borrow();
            let running = picture.view.server.running();
            let document = picture.view.document.as_ref();
            (
                running.is_some_and(|running| running.health.is_ok()),
                picture.view.serving().is_some(),
                document.is_some_and(|document| {
                    document.vouches(&picture.view.me, picture.view.stamp())
                }),
            )
        };
        if !healthy {
            continue;
        }
        if in_sync {
            forget_old_copies(&server).await;
        }
        if round % ACCOUNTS_EVERY == 0 {
            match server.privileged_accounts().await {
                Ok(accounts) => privileged = accounts,
                Err(error) => tracing::debug!(%error, "accounts could not be looked through"),
            }
        }
        let mut disabled_events = Vec::new();
        if serving {
            disabled_events = server.disabled_events(LIMIT).await.unwrap_or_default();
        }
        let mut told = drifted(&server).await;
        told.extend(privileged.iter().map(|account| {
            format!("account {account} may write on a replica: revoke READ ONLY ADMIN and SUPER")
        }));
        let now = Found {
            warnings: told,
            disabled_events,
        };
        found.send_if_modified(|old| {
            let differs = *old != now;
            *old = now;
            differs
        });
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
        if drift.remedy == Remedy::WasSet {
            tracing::warn!(
                setting = drift.name,
                found = drift.found,
                "set back to {}",
                drift.wanted
            );
        } else {
            told.push(format!(
                "setting {} is {} and must be {}: restart the server",
                drift.name, drift.found, drift.wanted
            ));
        }
    }
    told
}
