//! The SQL gateway as a service: started again when it fails, never a danger to the keeper.

use std::path::Path;
use std::sync::Arc;

use sql_gateway::{Gateway, Route};
use tokio::sync::watch;

use super::accounts::Table;
use super::dial::Dialer;
use super::node::Node;
use super::outcomes::Asker;

/// Serves applications until it is told to stop.
pub(super) async fn run(
    node: Arc<Node>,
    routes: watch::Receiver<Route>,
    accounts: Arc<Table>,
    stop: watch::Receiver<bool>,
) -> Result<(), String> {
    let mut config = node.config.gateway();
    if let Some(server) = &node.server
        && let Ok(version) = server.installed_version().await
    {
        // Why the prefix: replication clients of old expect it, and MariaDB itself sends it.
        config.server_version = format!("5.5.5-{version}-MariaDB");
    }
    for socket in &config.sockets {
        make_parent(socket)?;
    }
    let dialer = Arc::new(Dialer::new(Arc::clone(&node)));
    let made = Gateway::new(config, routes, dialer, accounts);
    let gateway = made.map_err(|error| format!("{error}; {}", error.hint()))?;
    let gateway = gateway.asking(Arc::new(Asker::new(Arc::clone(&node))));
    tracing::info!(addresses = ?gateway.local_addresses(), "the gateway serves");
    node.gateway.set(Some(gateway.handle()));
    gateway.run(stop).await;
    node.gateway.set(None);
    Ok(())
}

/// `/run` is empty after a boot, and MariaDB's package makes its directory there only for its own unit.
fn make_parent(socket: &Path) -> Result<(), String> {
    let Some(parent) = socket.parent() else {
        return Ok(());
    };
    let made = std::fs::create_dir_all(parent);
    made.map_err(|error| format!("make `{}`: {error}", parent.display()))
}
