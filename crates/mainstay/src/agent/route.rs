//! From the keeper's picture to the gateway's route.

use std::sync::Arc;

use keeper::Picture;
use sql_gateway::{Behind, Lease, Route, Target};
use tokio::sync::watch;

use super::node::Node;

/// A route that follows the picture until `stopped`.
pub(super) fn follow(node: &Arc<Node>, stopped: &watch::Receiver<bool>) -> watch::Receiver<Route> {
    let mut pictures = node.picture.subscribe();
    let (routes, follower) = watch::channel(Route::default());
    let mut stopped = stopped.clone();
    tokio::spawn(async move {
        loop {
            let picture = pictures.borrow_and_update().clone();
            if let Some(picture) = picture {
                routes.send_if_modified(|old| {
                    let route = route(&picture, old);
                    let is_new = *old != route;
                    *old = route;
                    is_new
                });
            }
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                changed = pictures.changed() => if changed.is_err() { return },
            }
        }
    });
    follower
}

/// The lease goes on with the same primary; with another one the old one's is put off no more.
fn route(picture: &Picture, before: &Route) -> Route {
    let (epoch, primary, hold) = picture.route();
    let target = primary.map(|node| Target {
        node: node.to_string(),
    });
    let same = before.epoch == epoch && before.target == target;
    let lease = if same {
        before.lease.clone()
    } else {
        Lease::default()
    };
    lease.renew(picture.fresh_until);
    let behind = if same {
        before.behind.clone()
    } else {
        beginning(picture, epoch)
    };
    Route {
        epoch,
        target,
        hold,
        lease,
        behind,
    }
}

/// Where this epoch began: what is sent in it commits behind that.
fn beginning(picture: &Picture, epoch: u64) -> Behind {
    let document = picture.view.document.as_ref();
    let cut = document.and_then(|document| document.cuts.iter().find(|cut| cut.epoch == epoch));
    Behind::from(cut.map_or(0, |cut| cut.position.sequence(0)))
}
