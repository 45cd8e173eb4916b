//! What became of writes in flight: this node's gateway asks the new primary's agent, which looks into its server's
//! binlog. Questions that come together are answered by one pass over the files.
//!
//! Only the change of primary that ended the epoch in which the write was sent says what an answer is worth, so only
//! the epoch after it is asked. After a failover the former primary is fenced by SIGKILL before it can take part again,
//! and what it alone had is never merged: what is not there never will be. After a planned switchover its server
//! lives on, and a statement may still wait in it: what is there is there, what is not is unknown.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use cluster::{ChangeKind, Document, NodeName};
use peer::Refusal;
use serde::{Deserialize, Serialize};
use sql_gateway::Route;
use tokio::sync::oneshot;
use wire::gtid::Position;
use wire::outcome::{Outcome, Question};

use super::node::Node;

/// Under this name questions arrive at the reception.
pub(super) const SERVICE: &str = "outcomes";
/// A call, with its look into the files.
const LIMIT: Duration = Duration::from_secs(10);
/// One statement to the server.
const SQL_LIMIT: Duration = Duration::from_secs(5);
/// Limit: more gateways' sessions than this do not ask at once; the rest ask again.
const MOST_WAITING: usize = 4096;

/// A question as it travels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Asked {
    /// The epoch in which the answerer is taken for the primary.
    epoch: u64,
    /// The epoch in which the write was sent.
    sent: u64,
    question: Question,
}

/// Asks, for this node's gateway.
pub(super) struct Asker {
    node: Arc<Node>,
}

impl Asker {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }
}

#[async_trait]
impl sql_gateway::Outcomes for Asker {
    async fn outcome(&self, route: &Route, sent: u64, question: &Question) -> io::Result<Outcome> {
        let none = || io::Error::other("there is no primary");
        let target = route.target.as_ref().ok_or_else(none)?;
        let target: NodeName = target.node.parse().map_err(io::Error::other)?;
        let asked = Asked {
            epoch: route.epoch,
            sent,
            question: question.clone(),
        };
        let here = target == self.node.config.name;
        if here && !self.node.is_old() {
            let answer = self.node.outcomes.answer(&self.node, asked).await;
            return answer.map_err(io::Error::other);
        }
        let unknown = || io::Error::other(format!("nothing is known of `{target}`"));
        let own = here.then(|| self.node.config.peer_address());
        let address = own.or_else(|| self.node.address_of(&target));
        let address = address.ok_or_else(unknown)?;
        let request = serde_json::to_vec(&asked)?;
        let answer = self
            .node
            .endpoint
            .call(target.as_str(), address, SERVICE, request, LIMIT)
            .await
            .map_err(io::Error::other)?;
        Ok(serde_json::from_slice(&answer)?)
    }
}

struct Waiting {
    asked: Asked,
    tell: oneshot::Sender<Result<Outcome, String>>,
}

/// Answers, where this node's server is the primary.
#[derive(Default)]
pub(super) struct Outcomes {
    waiting: Mutex<Vec<Waiting>>,
    turn: tokio::sync::Mutex<()>,
}

impl Outcomes {
    /// Answers a call of another node's agent.
    pub(super) async fn serve(&self, node: &Node, request: &[u8]) -> Result<Vec<u8>, Refusal> {
        let asked = serde_json::from_slice(request)
            .map_err(|error| Refusal(format!("not a question: {error}")))?;
        let outcome = self.answer(node, asked).await.map_err(Refusal)?;
        serde_json::to_vec(&outcome).map_err(|error| Refusal(error.to_string()))
    }

    async fn answer(&self, node: &Node, asked: Asked) -> Result<Outcome, String> {
        let (tell, mut told) = oneshot::channel();
        {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            if waiting.len() >= MOST_WAITING {
                return Err("too many ask at once".to_owned());
            }
            waiting.push(Waiting { asked, tell });
        }
        let _turn = self.turn.lock().await;
        // Why: whoever had the turn before took what was waiting along.
        if let Ok(answer) = told.try_recv() {
            return answer;
        }
        let all = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut groups: BTreeMap<(u64, u64), Vec<Waiting>> = BTreeMap::new();
        for one in all {
            let key = (one.asked.epoch, one.asked.sent);
            groups.entry(key).or_default().push(one);
        }
        for ((epoch, sent), group) in groups {
            let questions: Vec<Question> =
                group.iter().map(|one| one.asked.question.clone()).collect();
            let outcomes = look(node, epoch, sent, &questions).await;
            for (nth, one) in group.into_iter().enumerate() {
                let outcome = match &outcomes {
                    Ok(outcomes) => outcomes
                        .get(nth)
                        .cloned()
                        .ok_or_else(|| "no answer".to_owned()),
                    Err(why) => Err(why.clone()),
                };
                let _ = one.tell.send(outcome);
            }
        }
        told.try_recv()
            .unwrap_or_else(|_| Err("no answer".to_owned()))
    }
}

async fn look(
    node: &Node,
    epoch: u64,
    sent: u64,
    questions: &[Question],
) -> Result<Vec<Outcome>, String> {
    let server = node.server.as_ref().filter(|_| node.serves(epoch));
    let server = server.ok_or_else(|| format!("this node is not the primary of epoch {epoch}"))?;
    let picture = node.picture();
    let document = picture
        .as_ref()
        .and_then(|picture| picture.view.document.as_ref());
    let document = document.filter(|document| document.epoch == epoch);
    let document = document.ok_or("the ledger was not read yet")?;
    let (until, is_final) = match bounds(document, sent) {
        Ok(bounds) => bounds,
        Err(why) => {
            return Ok(questions
                .iter()
                .map(|_| Outcome::Unknown(why.to_owned()))
                .collect());
        }
    };
    let outcomes = server.outcomes(questions, &until, SQL_LIMIT).await;
    let mut outcomes = outcomes.map_err(|error| error.to_string())?;
    for outcome in &mut outcomes {
        if *outcome == Outcome::NotThere && !is_final {
            let why = "a planned change of primary left the former one's statements running";
            *outcome = Outcome::Unknown(why.to_owned());
        }
        tracing::debug!(?outcome, sent, "a write in flight was looked up");
    }
    Ok(outcomes)
}

/// Where the epoch of the write ended, and whether what is not there can still come.
fn bounds(document: &Document, sent: u64) -> Result<(Position, bool), &'static str> {
    if document.epoch != sent + 1 {
        return Err("the primary has changed more than once since it was sent");
    }
    let cut = document.cuts.iter().find(|cut| cut.epoch == document.epoch);
    let change = document.last_change.as_ref();
    match (cut, change.map(|change| change.kind)) {
        (Some(cut), Some(ChangeKind::Failover)) => Ok((cut.position.clone(), true)),
        (Some(cut), Some(ChangeKind::Switchover)) => Ok((cut.position.clone(), false)),
        (_, Some(ChangeKind::Forced)) => Err("the operator accepted a loss"),
        _ => Err("where its epoch ended is not known"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{Change, Cut, DataId, Member, MemberKind};

    fn document(epoch: u64, kind: Option<ChangeKind>) -> Document {
        let node: NodeName = "a".parse().unwrap();
        let member = Member {
            address: "127.0.0.1:7400".to_owned(),
            number: 1,
            kind: MemberKind::Data,
            far: false,
            priority: 0,
        };
        let mut document = Document::founding(node.clone(), member, DataId(7));
        document.epoch = epoch;
        document.cuts = (2..=epoch)
            .map(|epoch| Cut {
                epoch,
                position: format!("0-1-{}", epoch * 100).parse().unwrap(),
            })
            .collect();
        document.last_change = kind.map(|kind| Change {
            kind,
            from: node.clone(),
            to: node,
            at: 0,
            reason: String::new(),
        });
        document
    }

    #[test]
    fn a_write_when_its_epoch_ended_by_a_failover_is_there_or_never_will_be() {
        let (until, is_final) = bounds(&document(3, Some(ChangeKind::Failover)), 2).unwrap();
        assert_eq!((until.sequence(0), is_final), (300, true));
        let (_, is_final) = bounds(&document(3, Some(ChangeKind::Switchover)), 2).unwrap();
        assert!(!is_final, "its server lives on");
    }

    #[test]
    fn a_write_when_more_has_happened_is_unknown() {
        for (kind, sent) in [
            (Some(ChangeKind::Failover), 1),
            (Some(ChangeKind::Failover), 3),
            (Some(ChangeKind::Forced), 2),
            (None, 2),
        ] {
            assert!(bounds(&document(3, kind), sent).is_err(), "{kind:?} {sent}");
        }
    }
}
