//! Heartbeats: one task for each other node exchanges letters with it, four times a second at rest,
//! at once when something changed, and as fast as answers come while the loop waits for others. At rest one
//! of two asks (a primary always does), and the answer counts; the other one asks when it hears nothing. With
//! a witness, on whose words no commit waits, half as often.

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
const WITNESS_PACE: Duration = Duration::from_millis(500);
/// Who is asked by the other one asks by itself when that is so late, in milliseconds: well before a silent
/// node is given up.
const LATENESS: u64 = 70;
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
        let mut report = (*picture.report).clone();
        let since = shared.clock.now().saturating_sub(picture.view.now);
        for age in report.hears.values_mut() {
            *age += since;
        }
        let document = picture.view.document.as_ref();
        let rev = document.map(|document| document.rev);
        if shared.board.rev_of(to) != rev {
            report.document = document.cloned();
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
        let turn = Turn::of(&picture.borrow(), &node);
        let left = turn.silence().saturating_sub(silence(&shared, &node));
        let pause = if left == 0 || turn.asks {
            turn.pace
        } else {
            Duration::from_millis(left.max(10))
        };
        let fresh = tokio::select! {
            () = tokio::time::sleep(pause) => {
                let turn = Turn::of(&picture.borrow(), &node);
                if !turn.asks && silence(&shared, &node) < turn.silence() {
                    continue;
                }
                false
            }
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

/// Who of two asks at rest, and how often.
struct Turn {
    asks: bool,
    pace: Duration,
}

impl Turn {
    fn of(picture: &Picture, node: &NodeName) -> Self {
        let Some(document) = &picture.view.document else {
            return Self {
                asks: true,
                pace: PACE,
            };
        };
        let (me, primary) = (&picture.view.me, &document.primary);
        let witness = document.is_witness(me) || document.is_witness(node);
        Self {
            asks: primary == me || (primary != node && me < node),
            pace: if witness { WITNESS_PACE } else { PACE },
        }
    }

    /// After so many milliseconds the one that is asked asks.
    fn silence(&self) -> u64 {
        self.pace.as_millis() as u64 + LATENESS
    }
}

/// How long ago it was heard, in milliseconds.
fn silence(shared: &Shared, node: &NodeName) -> u64 {
    let heard = shared.board.heard(node);
    heard.map_or(u64::MAX, |at| shared.clock.now().saturating_sub(at))
}

/// Tells every peer at once that something changed.
pub(crate) fn spread(shared: &Shared) {
    shared.material.send_modify(|n| *n += 1);
}

/// Asks every peer for its newest word.
pub(crate) fn ask_all(shared: &Shared) {
    shared.hurry.send_modify(|n| *n += 1);
}
