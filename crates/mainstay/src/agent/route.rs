//! From the node's guide to the gateway's route.

use std::sync::Arc;

use sql_gateway::{Behind, Lease, Route, Target};
use tokio::sync::watch;

use super::guide::Guide;
use super::node::Node;
use super::replica;

/// A route that follows the guide until `stopped`.
pub(super) fn follow(node: &Arc<Node>, stopped: &watch::Receiver<bool>) -> watch::Receiver<Route> {
    let mut guides = node.guide.subscribe();
    let (routes, follower) = watch::channel(Route::default());
    let mut stopped = stopped.clone();
    tokio::spawn(async move {
        loop {
            let guide = guides.borrow_and_update().clone();
            routes.send_if_modified(|old| {
                let route = route(&guide, old);
                let is_new = *old != route;
                *old = route;
                is_new
            });
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                changed = guides.changed() => if changed.is_err() { return },
            }
        }
    });
    follower
}

/// The lease goes on with the same primary; with another one the old one's is put off no more.
fn route(guide: &Guide, before: &Route) -> Route {
    let target = guide.primary.as_ref().map(|node| Target {
        node: node.to_string(),
    });
    let same = before.epoch == guide.epoch && before.target == target;
    let lease = if same {
        before.lease.clone()
    } else {
        Lease::default()
    };
    lease.renew(guide.fresh_until);
    let behind = if same {
        before.behind.clone()
    } else {
        Behind::from(guide.began)
    };
    let replicas = replica::announce(&guide.replicas, same.then_some(&before.replicas));
    Route {
        epoch: guide.epoch,
        target,
        hold: guide.hold,
        lease,
        behind,
        replicas,
    }
}
