//! Brings the ledger's members closer to those of its own document, one careful step per second; only
//! the node that leads the ledger does anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use cluster::MemberKind;
use keeper::Picture;
use ledger::{Change, Voter};
use tokio::sync::watch;

use super::node::Node;

const PACE: Duration = Duration::from_secs(1);
/// Whoever was heard within this time is taken to run.
const RUNNING_MS: u64 = 3_000;

/// Reconciles until it is told to stop.
pub(super) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) -> Result<(), String> {
    let mut turns = tokio::time::interval(PACE);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut waiting = String::new();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            _ = turns.tick() => {}
        }
        let Some(wanted) = node.picture().and_then(|picture| wanted(&picture)) else {
            continue;
        };
        match node.raft.reconcile(wanted).await {
            Ok(Change::Nothing | Change::NotLeader) => waiting.clear(),
            Ok(Change::Waiting(why)) if why == waiting => {}
            Ok(Change::Waiting(why)) => {
                tracing::debug!("ledger members wait: {why}");
                waiting = why;
            }
            Ok(change) => tracing::info!("{change}"),
            Err(error) => tracing::debug!(%error, "ledger members cannot be changed now"),
        }
    }
}

/// The members as the document has them; none before it was read.
fn wanted(picture: &Picture) -> Option<BTreeMap<u64, Voter>> {
    let view = &picture.view;
    let document = view.document.as_ref()?;
    let voter = |(name, member): (&cluster::NodeName, &cluster::Member)| {
        let is_heard = view.age(name).is_some_and(|age| age < RUNNING_MS);
        let voter = Voter {
            name: name.to_string(),
            address: member.address.clone(),
            witness: member.kind == MemberKind::Witness,
            running: *name == view.me || is_heard,
        };
        (u64::from(member.number), voter)
    };
    Some(document.members.iter().map(voter).collect())
}
