//! Planned switchovers: when the primary asks gateways to hold, this one does, and tells how many
//! transactions are still open, until the hold is taken back or a new epoch has begun.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use cluster::{Epoch, Gate};
use keeper::Picture;
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
    let mut pictures = node.picture.subscribe();
    loop {
        let present = node.gateway.get().is_some();
        tell(
            node,
            Gate {
                present,
                ..Gate::default()
            },
        );
        let asked = pictures
            .borrow_and_update()
            .as_ref()
            .and_then(|picture| asked(picture));
        if let Some(epoch) = asked.filter(|_| present) {
            return epoch;
        }
        if pictures.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Holds in this epoch for as long as the primary asks for it.
async fn hold(node: &Node, gateway: &sql_gateway::Handle, epoch: Epoch) {
    let mut pictures = node.picture.subscribe();
    let mut is_over = pin!(pictures.wait_for(|picture| {
        picture
            .as_ref()
            .is_none_or(|picture| asked(picture) != Some(epoch))
    }));
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
        tell(
            node,
            Gate {
                present: true,
                holding: Some(epoch),
                open,
            },
        );
    }
}

/// The present epoch, if its primary asks gateways to hold in it.
fn asked(picture: &Picture) -> Option<Epoch> {
    let view = &picture.view;
    let document = view.document.as_ref()?;
    let is_own = document.primary == view.me && view.memory.handover.is_some();
    let told = view
        .fresh(&document.primary)
        .and_then(|report| report.holding);
    (is_own || told == Some(document.epoch)).then_some(document.epoch)
}
