//! What the rest of the program, and other nodes, ask of the keeper.

use std::sync::Arc;
use std::time::Duration;

use cluster::{Document, Epoch, Gate, MemberKind, NodeName, Wish};
use tokio::sync::{mpsc, oneshot, watch};

use crate::format::{Answer, Letter, Question};
use crate::gossip::Gossip;
use crate::journal::Remark;
use crate::request::Request;
use crate::scribe::Scribe;
use crate::shared::Shared;
use crate::{Error, Picture, Result, SERVICE, found};

/// A fresh report is waited for at most this long.
const FRESH_LIMIT: Duration = Duration::from_millis(100);
/// A change of primary takes no longer, with all its waiting.
const CHANGE_LIMIT: Duration = Duration::from_mins(1);
const ASK_LIMIT: Duration = Duration::from_secs(2);

/// The keeper, for others. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) picture: watch::Receiver<Arc<Picture>>,
    pub(crate) requests: mpsc::Sender<Request>,
}

/// A change of primary that is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed {
    /// The new epoch.
    pub epoch: Epoch,
    /// Who was primary.
    pub from: NodeName,
    /// Who is.
    pub to: NodeName,
    /// How long writes paused.
    pub write_pause_ms: u64,
}

impl Handle {
    /// The picture, now and as it changes.
    pub fn picture(&self) -> watch::Receiver<Arc<Picture>> {
        self.picture.clone()
    }

    /// Says what this node's gateway does.
    pub fn set_gate(&self, gate: Gate) {
        let changed = self.shared.gate.send_if_modified(|old| {
            let differs = *old != gate;
            *old = gate;
            differs
        });
        if changed {
            self.shared.board.news.notify_one();
        }
    }

    /// Answers another node's call of service `keeper`.
    pub async fn call(&self, from: &NodeName, request: &[u8]) -> Vec<u8> {
        let answer = match crate::format::decode::<Question>(request) {
            Ok(question) => self.answer(from, question).await,
            Err(error) => Answer::Refused(error.to_string()),
        };
        crate::format::encode(&answer).unwrap_or_default()
    }

    async fn answer(&self, from: &NodeName, question: Question) -> Answer {
        match question {
            Question::Exchange { letter, fresh } => {
                let now = self.shared.clock.now();
                self.shared.board.post(from, *letter, now, None);
                if fresh {
                    self.wait_for_fresh().await;
                }
                Answer::Letter(Box::new(self.letter(from)))
            }
            Question::Switchover { to } => match self.wish_here(self.switchover_to(to)).await {
                Ok(changed) => changed.into(),
                Err(error) => Answer::Refused(error.to_string()),
            },
            Question::Failover { accept_loss } => {
                let asked = self.shared.clock.now();
                match self.wish_here(Wish::Failover { accept_loss, asked }).await {
                    Ok(changed) => changed.into(),
                    Err(error) => Answer::Refused(error.to_string()),
                }
            }
            Question::Why => Answer::Why(self.shared.remarks()),
        }
    }

    fn switchover_to(&self, to: Option<NodeName>) -> Wish {
        Wish::Switchover {
            to,
            asked: self.shared.clock.now(),
        }
    }

    async fn wait_for_fresh(&self) {
        let mut picture = self.picture.clone();
        let seen = picture.borrow_and_update().generation;
        self.shared.stir();
        let newer = picture.wait_for(|picture| picture.generation > seen);
        let _ = tokio::time::timeout(FRESH_LIMIT, newer).await;
    }

    pub(crate) fn letter(&self, to: &NodeName) -> Letter {
        let picture = self.picture.borrow().clone();
        Gossip::letter(&self.shared, &picture, to)
    }

    /// Hands over as planned, to the best member when nobody is named. May be asked on any node.
    pub async fn switchover(&self, to: Option<NodeName>) -> Result<Changed> {
        let document = self.document()?;
        if let Some(to) = to.as_ref().filter(|to| !document.members.contains_key(*to)) {
            return Err(Error::Refused(format!(
                "`{to}` is not a node of this cluster"
            )));
        }
        if document.primary == self.shared.me {
            return self.wish_here(self.switchover_to(to)).await;
        }
        self.ask_for_change(&document.primary, &Question::Switchover { to })
            .await
    }

    /// Makes `to` primary without the old one's help. May be asked on any node.
    pub async fn failover(&self, to: NodeName, accept_loss: bool) -> Result<Changed> {
        let document = self.document()?;
        if !document.members.contains_key(&to) {
            return Err(Error::Refused(format!(
                "`{to}` is not a node of this cluster"
            )));
        }
        if document.is_witness(&to) {
            return Err(Error::Refused(format!(
                "`{to}` is a witness and holds no data"
            )));
        }
        if to == self.shared.me {
            let asked = self.shared.clock.now();
            return self.wish_here(Wish::Failover { accept_loss, asked }).await;
        }
        self.ask_for_change(&to, &Question::Failover { accept_loss })
            .await
    }

    /// Suspends or resumes automatic changes of primary.
    pub async fn set_paused(&self, paused: bool) -> Result<()> {
        let edit = |document: &Document| {
            let next = Document {
                paused,
                ..document.bumped()
            };
            Ok((document.paused != paused).then_some(next))
        };
        let document = self.scribe().edit(edit).await?;
        self.shared.learn(document);
        Ok(())
    }

    /// Makes a node a member and gives it its number. The same name at the same address may be
    /// added again: a join may be repeated.
    pub async fn add_member(
        &self,
        name: NodeName,
        address: String,
        kind: MemberKind,
    ) -> Result<u32> {
        let edit = |document: &Document| Ok(found::with_member(document, &name, &address, kind)?.0);
        let document = self.scribe().edit(edit).await?;
        let number = document.members.get(&name).map(|member| member.number);
        self.shared.learn(document);
        number.ok_or_else(|| Error::Refused(format!("`{name}` could not be added")))
    }

    /// The last decisions of a node; of this one when none is named.
    pub async fn why(&self, node: Option<NodeName>) -> Result<Vec<Remark>> {
        let Some(node) = node.filter(|node| *node != self.shared.me) else {
            return Ok(self.shared.remarks());
        };
        match self.ask(&node, &Question::Why, ASK_LIMIT).await? {
            Answer::Why(remarks) => Ok(remarks),
            _ => Err(Error::NoAnswer {
                node: node.to_string(),
                why: "it said something else".into(),
            }),
        }
    }

    fn document(&self) -> Result<Document> {
        let document = self.picture.borrow().view.document.clone();
        document.ok_or_else(|| Error::Ledger("it has not been read yet".into()))
    }

    fn scribe(&self) -> &Scribe {
        &self.shared.scribe
    }

    async fn wish_here(&self, wish: Wish) -> Result<Changed> {
        let before = self.document()?;
        let (reply, ending) = oneshot::channel();
        self.requests
            .send(Request { wish, reply })
            .await
            .map_err(|_| Error::Ended)?;
        self.shared.stir();
        let ending = tokio::time::timeout(CHANGE_LIMIT, ending).await;
        let ending =
            ending.map_err(|_| Error::Refused("it took too long; see `mainstay why`".into()))?;
        let (epoch, write_pause_ms) = ending.map_err(|_| Error::Ended)?.map_err(Error::Refused)?;
        let to = self.document()?.primary;
        Ok(Changed {
            epoch,
            from: before.primary,
            to,
            write_pause_ms,
        })
    }

    async fn ask_for_change(&self, node: &NodeName, question: &Question) -> Result<Changed> {
        match self.ask(node, question, CHANGE_LIMIT).await? {
            Answer::Changed {
                epoch,
                from,
                to,
                write_pause_ms,
            } => Ok(Changed {
                epoch,
                from,
                to,
                write_pause_ms,
            }),
            _ => Err(Error::NoAnswer {
                node: node.to_string(),
                why: "it said something else".into(),
            }),
        }
    }

    async fn ask(&self, node: &NodeName, question: &Question, limit: Duration) -> Result<Answer> {
        let fail = |why: String| Error::NoAnswer {
            node: node.to_string(),
            why,
        };
        let address = self
            .document()?
            .members
            .get(node)
            .map(|member| member.address.clone())
            .ok_or_else(|| Error::Refused(format!("`{node}` is not a node of this cluster")))?;
        let address = address
            .parse()
            .map_err(|_| fail(format!("`{address}` is no address")))?;
        let request = crate::format::encode(question)?;
        let called = self
            .shared
            .endpoint
            .call(node.as_str(), address, SERVICE, request, limit)
            .await;
        let bytes = called.map_err(|error| fail(error.to_string()))?;
        match crate::format::decode(&bytes)? {
            Answer::Refused(why) => Err(Error::Refused(why)),
            answer => Ok(answer),
        }
    }
}

impl From<Changed> for Answer {
    fn from(changed: Changed) -> Self {
        let Changed {
            epoch,
            from,
            to,
            write_pause_ms,
        } = changed;
        Self::Changed {
            epoch,
            from,
            to,
            write_pause_ms,
        }
    }
}
