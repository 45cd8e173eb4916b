//! Heartbeats: one task for each other node exchanges letters with it, four times a second at rest,
//! at once when something changed, and as fast as answers come while the loop waits for others.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use cluster::NodeName;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::format::{Answer, Letter, Question, decode, encode};
use crate::shared::Shared;
use crate::{Picture, SERVICE};

const PACE: Duration = Duration::from_millis(250);
/// A peer that does not answer in this time is asked again on another connection.
const CALL_LIMIT: Duration = Duration::from_millis(800);

/// The tasks that talk to the others.
pub(crate) struct Gossip {
    tasks: JoinSet<()>,
    with: Vec<(NodeName, String)>,
}

impl Gossip {
    pub(crate) fn new() -> Self {
        Self {
            tasks: JoinSet::new(),
            with: Vec::new(),
        }
    }

    /// Talks to exactly the members of the document.
    pub(crate) fn follow(&mut self, shared: &Arc<Shared>, picture: &watch::Receiver<Arc<Picture>>) {
        let wanted: Vec<_> = {
            let now = picture.borrow();
            let members = now.view.document.as_ref().map(|document| &document.members);
            let others = members
                .into_iter()
                .flatten()
                .filter(|(name, _)| **name != shared.me);
            others
                .map(|(name, member)| (name.clone(), member.address.clone()))
                .collect()
        };
        if wanted == self.with {
            return;
        }
        self.tasks.abort_all();
        for (node, address) in &wanted {
            let (shared, picture) = (Arc::clone(shared), picture.clone());
            self.tasks
                .spawn(talk(shared, picture, node.clone(), address.clone()));
        }
        self.with = wanted;
    }

    /// What this node says to another now.
    pub(crate) fn letter(shared: &Shared, picture: &Picture, to: &NodeName) -> Letter {
        let mut view = picture.view.clone();
        view.now = shared.clock.now();
        let mut report = view.report();
        let rev = report.document.as_ref().map(|document| document.rev);
        if rev.is_some() && shared.board.rev_of(to) == rev {
            report.document = None;
        }
        let sequence = shared.sequence.fetch_add(1, Ordering::Relaxed);
        let extras = picture.extras.clone();
        Letter {
            incarnation: shared.incarnation,
            sequence,
            rev,
            report,
            extras,
        }
    }
}

async fn talk(
    shared: Arc<Shared>,
    picture: watch::Receiver<Arc<Picture>>,
    node: NodeName,
    address: String,
) {
    let Ok(address) = address.parse() else {
        tracing::warn!(%node, address, "the ledger has no usable address for this node");
        return;
    };
    let mut hurry = shared.hurry.subscribe();
    let mut news = shared.material.subscribe();
    loop {
        let fresh = tokio::select! {
            () = tokio::time::sleep(PACE) => false,
            changed = hurry.changed() => { if changed.is_err() { return } true }
            changed = news.changed() => { if changed.is_err() { return } false }
        };
        let now = picture.borrow().clone();
        let letter = Box::new(Gossip::letter(&shared, &now, &node));
        let asked = shared.clock.now();
        let asking = async {
            let request = encode(&Question::Exchange { letter, fresh })?;
            let call = shared
                .endpoint
                .call(node.as_str(), address, SERVICE, request, CALL_LIMIT);
            let answer = call.await.map_err(|error| crate::Error::NoAnswer {
                node: node.to_string(),
                why: error.to_string(),
            })?;
            decode::<Answer>(&answer)
        };
        match asking.await {
            Ok(Answer::Letter(letter)) => {
                shared
                    .board
                    .post(&node, *letter, shared.clock.now(), Some(asked));
                if fresh {
                    shared.board.news.notify_one();
                }
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%node, %error, "no heartbeat");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Tells every peer at once that something changed.
pub(crate) fn spread(shared: &Shared) {
    shared.material.send_modify(|n| *n += 1);
}

/// Asks every peer for its newest word.
pub(crate) fn ask_all(shared: &Shared) {
    shared.hurry.send_modify(|n| *n += 1);
}
