//! Planned switchovers: when the primary asks gateways to hold, this one does, and tells how many
//! transactions are still open, until the hold is taken back or a new epoch has begun. Old processes, whose
//! connections go on after an upgrade, do the same, and their transactions are told of together.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Epoch, Gate};
use tokio::sync::watch;
use tokio::time::sleep;

use super::node::Node;

/// While transactions end, the primary is told of it this often.
const PACE: Duration = Duration::from_millis(5);

/// Follows the primary's wish until it is told to stop.
pub(super) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) -> Result<(), String> {
    let follow = async {
        loop {
            let epoch = wait_for_hold(&node).await;
            // Why only now: a gateway that failed meanwhile has been replaced by another one.
            let Some(gateway) = node.gateway.get() else {
                sleep(PACE).await;
                continue;
            };
            hold(&node, &gateway, epoch).await;
            gateway.release();
        }
    };
    tokio::select! {
        _ = stop.wait_for(|stop| *stop) => {}
        () = follow => {}
    }
    tell(&node, Gate::default());
    Ok(())
}

fn tell(node: &Node, gate: Gate) {
    node.gate.send_if_modified(|old| {
        let is_new = *old != gate;
        *old = gate;
        is_new
    });
}

/// The epoch in which the primary asks for a hold; until then it is told whether there is a gateway.
async fn wait_for_hold(node: &Node) -> Epoch {
    let mut guides = node.guide.subscribe();
    loop {
        let present = node.gateway.get().is_some();
        tell(
            node,
            Gate {
                present,
                ..Gate::default()
            },
        );
        let asked = guides.borrow_and_update().asked;
        if let Some(epoch) = asked.filter(|_| present) {
            return epoch;
        }
        if guides.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Holds in this epoch for as long as the primary asks for it.
async fn hold(node: &Node, gateway: &sql_gateway::Handle, epoch: Epoch) {
    let mut guides = node.guide.subscribe();
    let mut is_over = pin!(guides.wait_for(|guide| guide.asked != Some(epoch)));
    let limit = node.config.file.timing.drain.0;
    let mut draining = pin!(gateway.hold(limit));
    let mut is_drained = false;
    loop {
        tokio::select! {
            biased;
            _ = &mut is_over => return,
            drained = &mut draining, if !is_drained => {
                tracing::debug!(epoch, open = drained.open_transactions, "the gateway holds");
                is_drained = true;
            }
            () = sleep(PACE) => {}
        }
        let open = u32::try_from(gateway.stats().open_transactions).unwrap_or(u32::MAX);
        let own = Gate {
            present: true,
            holding: Some(epoch),
            open,
        };
        tell(node, node.followers.with(own));
    }
}
