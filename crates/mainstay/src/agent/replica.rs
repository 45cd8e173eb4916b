//! Which servers follow the primary, so that reads may go there, and how far each is.

use std::sync::Arc;
use std::time::Duration;

use cluster::{Applying, Document, NodeName, Promise, Receiving, Running, Server, View};
use sql_gateway::{Progress, Replicas};

use super::node::Node;

/// Own data are read for what they define only when they are not further behind than this, in milliseconds.
const CURRENT: u64 = 1_000;

/// The server, when its data are a part of the primary's history and it receives from it in this epoch.
///
/// Not after the word not to receive any more: a takeover has begun, and what reads lock there is in its way.
fn follows<'a>(
    server: &'a Server,
    document: &Document,
    promise: Option<&Promise>,
) -> Option<&'a Running> {
    let running = server.running()?;
    let source = running.source.as_ref()?;
    let in_epoch = source.node == document.primary && source.epoch == document.epoch;
    let is_well = running.health.is_ok() && running.read_only && !running.salvage;
    (in_epoch && is_well && promise.is_none()).then_some(running)
}

fn progress(running: &Running) -> Progress {
    let streams =
        running.receiving == Receiving::Streaming && running.applying == Applying::Running;
    Progress {
        lag: running
            .lag_ms
            .filter(|_| streams)
            .map(Duration::from_millis),
        reached: running.applied.clone(),
    }
}

/// All of them, as this node sees them.
pub(super) fn all(view: &View) -> Vec<(NodeName, Progress)> {
    let Some(document) = &view.document else {
        return Vec::new();
    };
    let own = follows(&view.server, document, view.memory.promise.as_ref());
    let own = own.map(|running| (view.me.clone(), progress(running)));
    let others = document.members.keys().filter_map(|name| {
        let report = view.fresh(name).filter(|_| *name != view.me)?;
        let running = follows(&report.server, document, report.promise.as_ref())?;
        Some((name.clone(), progress(running)))
    });
    own.into_iter().chain(others).collect()
}

/// The same for the gateway: `before` goes on while they are the same nodes of the same epoch.
pub(super) fn announce(all: &[(NodeName, Progress)], before: Option<&Replicas>) -> Replicas {
    let (names, progress): (Vec<_>, Vec<_>) = all
        .iter()
        .map(|(name, progress)| (name.to_string(), progress.clone()))
        .unzip();
    let replicas = before
        .filter(|before| before.names() == names)
        .cloned()
        .unwrap_or_else(|| Replicas::of(names));
    replicas.tell(progress);
    replicas
}

/// True while this node's server answers reads for gateways that take it for a replica in this epoch.
pub(super) fn serves(view: &View, epoch: u64) -> bool {
    view.document.as_ref().is_some_and(|document| {
        document.epoch == epoch
            && document.primary != view.me
            && follows(&view.server, document, view.memory.promise.as_ref()).is_some()
    })
}

/// The own server, when what is defined there is what is defined on the primary, or was a moment ago.
pub(super) fn current(node: &Arc<Node>) -> Option<mariadb::Server> {
    let server = node.server.clone()?;
    let picture = node.picture()?;
    let view = &picture.view;
    let document = view.document.as_ref()?;
    let is_current = if document.primary == view.me {
        node.serves(document.epoch)
    } else {
        let running = follows(&view.server, document, view.memory.promise.as_ref());
        running.is_some_and(|running| running.lag_ms.is_some_and(|lag| lag <= CURRENT))
    };
    is_current.then_some(server)
}
