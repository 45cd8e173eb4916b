//! Is the primary lost? Its own agent's word settles it; silence needs that no other voter hears it.

use crate::{Document, NodeName, Server, Suspicion, View};

/// Why this node suspects the primary, if it does.
pub fn suspicion(view: &View, document: &Document) -> Option<Suspicion> {
    let primary = &document.primary;
    if let Some(report) = view.fresh(primary) {
        let of_this_epoch = report
            .document
            .as_ref()
            .is_some_and(|d| d.epoch == document.epoch);
        return (report.steps_down && of_this_epoch).then(|| in_its_own_words(&report.server));
    }
    if stream_flows(view, document) || another_voter_hears(view, primary) {
        return None;
    }
    match view.age(primary) {
        Some(ms) => Some(Suspicion::Silent { ms }),
        // Why the wait: an agent that has just woken has heard nobody yet.
        None if view.server_age() >= view.timing.suspicion => Some(Suspicion::NeverHeard),
        None => None,
    }
}

fn in_its_own_words(server: &Server) -> Suspicion {
    match server {
        Server::Stopped => Suspicion::ServerDown,
        Server::Running(running) if !running.health.is_ok() => {
            Suspicion::ServerIll(running.health.clone())
        }
        _ => Suspicion::SaysItStepsDown,
    }
}

/// True when the primary is there and does its duty.
pub(super) fn is_well(view: &View, document: &Document) -> bool {
    view.fresh(&document.primary).is_some_and(|report| {
        !report.steps_down
            && report.confirmed == Some(document.epoch)
            && report
                .server
                .running()
                .is_some_and(|running| running.health.is_ok())
    })
}

fn stream_flows(view: &View, document: &Document) -> bool {
    view.server.running().is_some_and(|running| {
        let from_primary = running
            .source
            .as_ref()
            .is_some_and(|s| s.node == document.primary);
        from_primary && running.silent_ms < view.timing.suspicion
    })
}

fn another_voter_hears(view: &View, primary: &NodeName) -> bool {
    view.peers.iter().any(|(name, peer)| {
        let age = view.now.saturating_sub(peer.heard);
        let heard = peer.report.hears.get(primary);
        name != primary
            && age < view.timing.suspicion
            && heard.is_some_and(|ms| ms + age < view.timing.suspicion)
    })
}
