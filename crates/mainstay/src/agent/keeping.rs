//! The keeper as a service: made anew when it fails, with the network as if the agent had just woken.
//! What it publishes is passed on over a channel that outlives it.

use std::sync::Arc;

use keeper::{Keeper, Parts};
use tokio::sync::watch;

use super::node::Node;

/// Keeps this node until it is told to stop.
pub(super) async fn run(node: Arc<Node>, stop: watch::Receiver<bool>) -> Result<(), String> {
    // Why: a new keeper knows of no admission; what an earlier one let in must not stay.
    node.admissions.cut_all().await;
    if let Some(upstream) = &node.upstream {
        upstream
            .set(None)
            .await
            .map_err(|error| error.to_string())?;
    }
    let (keeper, handle) = Keeper::new(parts(&node))
        .await
        .map_err(|error| error.to_string())?;
    let mut pictures = handle.picture();
    let mut gates = node.gate.subscribe();
    node.keeper.set(Some(handle.clone()));
    let pass_on = async {
        loop {
            handle.set_gate(*gates.borrow_and_update());
            let picture = Arc::clone(&pictures.borrow_and_update());
            node.picture.send_replace(Some(picture));
            tokio::select! {
                changed = pictures.changed() => if changed.is_err() { return },
                changed = gates.changed() => if changed.is_err() { return },
            }
        }
    };
    let ended = tokio::select! {
        ended = Box::pin(keeper.run(stop)) => ended.map_err(|error| error.to_string()),
        () = pass_on => Err("it publishes nothing any more".to_owned()),
    };
    node.keeper.set(None);
    // Why: the last picture would be believed for as long as no other comes, and it does not age.
    node.picture
        .send_modify(|picture| *picture = picture.as_ref().map(|last| Arc::new(last.abandoned())));
    ended
}

fn parts(node: &Node) -> Parts {
    let register: Arc<dyn ledger::Register> = node.raft.clone();
    Parts {
        me: node.config.name.clone(),
        cluster: node.identity.cluster_name().to_owned(),
        state_dir: node.config.data_dir().to_owned(),
        server: node.server.clone(),
        register,
        endpoint: Arc::clone(&node.endpoint),
        upstream: node.upstream.clone(),
        admissions: Arc::clone(&node.admissions),
        timing: node.config.timing(),
    }
}
