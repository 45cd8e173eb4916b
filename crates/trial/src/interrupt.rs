//! Ends every cluster of this process on Ctrl-C, SIGTERM or SIGHUP: a signal's default action
//! runs no destructor, and the servers of an interrupted test would stay for ever.

use std::sync::{Arc, Mutex, Once, PoisonError, Weak};

use tokio::signal::unix::{SignalKind, signal};

use crate::cluster::Estate;

static CLUSTERS: Mutex<Vec<Weak<Estate>>> = Mutex::new(Vec::new());
static WATCH: Once = Once::new();

/// What the signals must end.
pub(crate) fn register(estate: &Arc<Estate>) {
    let mut clusters = CLUSTERS.lock().unwrap_or_else(PoisonError::into_inner);
    clusters.retain(|known| known.strong_count() > 0);
    clusters.push(Arc::downgrade(estate));
}

/// From now on Ctrl-C, SIGTERM and SIGHUP end all clusters and then this process (exit 130).
/// For test programs; a program with its own handling drops its `Cluster` instead.
pub fn end_on_interrupt() {
    WATCH.call_once(|| {
        // Why a thread of its own: a test's runtime ends with the test, a signal handler must not.
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            if let Ok(runtime) = runtime {
                runtime.block_on(wait());
                end_all();
            }
        });
    });
}

async fn wait() {
    let listen = |kind| signal(kind).ok();
    let (Some(mut int), Some(mut term), Some(mut hup)) = (
        listen(SignalKind::interrupt()),
        listen(SignalKind::terminate()),
        listen(SignalKind::hangup()),
    ) else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = int.recv() => {}
        _ = term.recv() => {}
        _ = hup.recv() => {}
    }
}

#[expect(
    clippy::exit,
    reason = "the signal asked for it; the clusters are ended first"
)]
fn end_all() {
    let clusters = CLUSTERS.lock().unwrap_or_else(PoisonError::into_inner);
    for estate in clusters.iter().filter_map(Weak::upgrade) {
        estate.end_now();
    }
    std::process::exit(130);
}
