//! The SQL gateway as a service: started again when it fails, never a danger to the keeper.

use std::sync::Arc;

use sql_gateway::{Gateway, Route};
use tokio::sync::watch;

use super::accounts::Table;
use super::certificate;
use super::dial::Dialer;
use super::node::Node;
use super::outcomes::Asker;
use crate::output::{Failure, Result};

/// Serves applications until it is told to stop.
pub(super) async fn run(
    node: Arc<Node>,
    routes: watch::Receiver<Route>,
    accounts: Arc<Table>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), String> {
    if node.is_old() {
        // Why: the doors are another process' now; what has failed here is not made anew.
        let _ = stop.wait_for(|stop| *stop).await;
        return Ok(());
    }
    let followed = Arc::clone(&node.settings.borrow());
    let mut config = followed.gateway();
    if let Some(server) = &node.server
        && let Ok(version) = server.installed_version().await
    {
        // Why the prefix: replication clients of old expect it, and MariaDB itself sends it.
        config.server_version = format!("5.5.5-{version}-MariaDB");
    }
    make_parents(&config).map_err(|failure| failure.to_string())?;
    let dialer = Arc::new(Dialer::new(Arc::clone(&node)));
    let inherited = node.take_inherited();
    let made = Gateway::inheriting(inherited, config, routes, dialer, accounts);
    let gateway = made.map_err(|error| format!("{error}; {}", error.hint()))?;
    let mut gateway = gateway.asking(Arc::new(Asker::new(Arc::clone(&node))));
    let tls = certificate::shown(&node)?;
    if let Some(tls) = &tls {
        gateway = gateway.encrypting(tls.clone());
    }
    tracing::info!(addresses = ?gateway.local_addresses(), "the gateway serves");
    node.gateway.set(Some(gateway.handle()));
    let now = Arc::clone(&node.settings.borrow());
    if now != followed {
        // Why: reloaded meanwhile, when nobody could be told yet.
        let told = gateway.handle().reconfigure(&now.gateway());
        told.map_err(|error| error.to_string())?;
    }
    tokio::select! {
        () = gateway.run(stop) => {}
        () = certificate::follow(Arc::clone(&node), tls) => {}
    }
    node.gateway.set(None);
    Ok(())
}

/// `/run` is empty after a boot, and MariaDB's package makes its directory there only for its own unit.
pub(super) fn make_parents(config: &sql_gateway::Config) -> Result {
    let sockets = config.sockets.iter().chain(&config.read_only.sockets);
    for parent in sockets.filter_map(|socket| socket.parent()) {
        let what = format!("make `{}`", parent.display());
        std::fs::create_dir_all(parent).map_err(Failure::on_disk(what))?;
    }
    Ok(())
}
