//! Who reads on this node's server as on a replica goes when a takeover needs it: cutting the connections does not end
//! what the server runs for them, and a long read holds locks on which the last changes to apply may have to wait.

use std::sync::Arc;
use std::time::Duration;

use mariadb::Server;
use tokio::sync::watch;
use tokio::time::sleep;

use super::node::Node;
use super::replica;

/// One question or one end.
const LIMIT: Duration = Duration::from_secs(5);
/// Looked at again so often: a login may have been under way.
const ROUNDS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(100);

/// Watches until it is told to stop.
pub(super) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) -> Result<(), String> {
    let mut guides = node.guide.subscribe();
    let mut read_in = None;
    loop {
        let reads = guides.borrow_and_update().reads;
        if read_in.is_some() && reads.is_none() {
            clear(&node).await;
        }
        read_in = reads;
        tokio::select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            changed = guides.changed() => changed.map_err(|error| error.to_string())?,
        }
    }
}

/// True when nobody may read on this node's server, and it is not the primary: then nobody writes there either.
/// By the picture itself: who is let in from other nodes is decided by it, before anybody else hears.
fn is_needed(node: &Node) -> bool {
    node.picture().is_some_and(|picture| {
        let view = &picture.view;
        let document = view.document.as_ref();
        document.is_some_and(|document| {
            document.primary != view.me && !replica::serves(view, document.epoch)
        })
    })
}

async fn clear(node: &Node) {
    let Some(server) = &node.server else { return };
    for round in 0..ROUNDS {
        if round > 0 {
            sleep(PAUSE).await;
        }
        match end(node, server).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::debug!(%error, "reads that stand in a takeover's way"),
        }
    }
}

/// False when the server is not needed (any more).
async fn end(node: &Node, server: &Server) -> mariadb::Result<bool> {
    let sessions = server.readers(LIMIT).await?;
    // Why after the list: who has come since this node is the primary is not in it.
    if !is_needed(node) {
        return Ok(false);
    }
    if !sessions.is_empty() {
        tracing::info!(
            sessions = sessions.len(),
            "this server serves no reads now: who reads there is ended"
        );
        server.end_sessions(&sessions, LIMIT).await?;
    }
    Ok(true)
}
