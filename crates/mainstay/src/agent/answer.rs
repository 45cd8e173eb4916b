//! What the verbs ask over the control socket.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use cluster::NodeName;
use peer::Kind;
use sql_gateway::{Freshness, Where};
use tokio::sync::{mpsc, oneshot};
use wire::catalog::Catalog;

use super::guide::Guide;
use super::node::Node;
use super::orders::Order;
use super::replica;
use crate::config::Span;
use crate::control::{
    Changed, Expected, Explained, Followed, Following, Issued, Process, Question, Reply, Request,
    Service,
};
use crate::output::{Exit, Failure, Result};
use crate::status::Status;

/// A question of an old process is answered at the latest after this, when nothing has changed.
const FOLLOW_PACE: Duration = Duration::from_millis(50);

/// Answers the verbs of this server.
pub(super) struct Answerer {
    node: Arc<Node>,
    orders: mpsc::Sender<Order>,
}

impl Answerer {
    pub(super) fn new(node: Arc<Node>, orders: mpsc::Sender<Order>) -> Self {
        Self { node, orders }
    }

    /// Leaves an order with the agent and waits until it has been carried out.
    async fn order<T>(&self, make: impl FnOnce(oneshot::Sender<Result<T>>) -> Order) -> Result<T> {
        let ends = || Failure::new("the agent is about to end");
        let (done, ending) = oneshot::channel();
        self.orders.send(make(done)).await.map_err(|_| ends())?;
        ending.await.map_err(|_| ends())?
    }

    async fn follow(&self, following: Following) -> Followed {
        let seen = following.seen;
        self.node.followers.note(following);
        let mut guides = self.node.guide.subscribe();
        let changed = guides.wait_for(|guide| mark(guide) != seen);
        let _ = tokio::time::timeout(FOLLOW_PACE, changed).await;
        let guide = self.node.guide.borrow().clone();
        followed(guide, Instant::now())
    }

    fn keeper(&self) -> Result<keeper::Handle> {
        let starting = || Failure::new("the agent has just started").hint("try again in a moment");
        self.node.keeper.get().ok_or_else(starting)
    }

    fn status(&self) -> Result<Status> {
        let starting = || Failure::new("the agent has just started").hint("try again in a moment");
        self.node.status().ok_or_else(starting)
    }

    async fn why(&self, node: Option<NodeName>) -> Result<Vec<keeper::Remark>> {
        self.keeper()?.why(node).await.map_err(failure)
    }

    async fn explain(&self, question: &Question) -> Result<Explained> {
        let catalog = match &self.node.server {
            Some(server) => server
                .catalog()
                .await
                .map_err(Failure::doing("read what the database's names mean"))?,
            None => Catalog::default(),
        };
        let assumed = sql_gateway::Assumed {
            database: &question.database,
            in_transaction: question.in_transaction,
            autocommit: question.autocommit,
            no_backslash_escapes: question.no_backslash_escapes,
        };
        let explanation = sql_gateway::explain(&question.text, &assumed, &catalog);
        let may_run = match explanation.place {
            Where::Anywhere => "anywhere",
            Where::Follows => "follows",
            Where::Primary => "primary",
        };
        let freshness = self.freshness(question);
        Ok(Explained {
            may_run: may_run.to_owned(),
            because: explanation.because.to_owned(),
            part: explanation.part,
            spread: self.spreads() && freshness != Freshness::Primary,
            freshness,
            refused: explanation.refused.map(str::to_owned),
        })
    }

    /// How fresh a read on a replica is for this user who came in there.
    fn freshness(&self, question: &Question) -> Freshness {
        let settings = Arc::clone(&self.node.settings.borrow());
        let gateway = &settings.file.gateway;
        let own = question
            .user
            .as_ref()
            .map(|user| gateway.freshness_of.get(user));
        let at = question.at.as_ref().map(|at| gateway.freshness_at.get(at));
        let special = own.flatten().or(at.flatten());
        special.copied().unwrap_or(gateway.freshness)
    }

    /// Whether reads that may run anywhere do so now.
    fn spreads(&self) -> bool {
        let picture = self.node.picture();
        let has_replicas = picture.is_some_and(|picture| !replica::all(&picture.view).is_empty());
        self.node.config.file.gateway.split && has_replicas
    }

    fn token(&self, witness: bool, valid_for: Span) -> Result<Issued> {
        let desk = self.node.desk.as_ref().ok_or_else(|| {
            Failure::new("a witness lets nobody in").hint("ask for the token on a data node")
        })?;
        let kind = if witness { Kind::Witness } else { Kind::Data };
        let addresses = [self.node.config.peer_address()];
        let now = jiff::Timestamp::now();
        let issued = desk
            .tokens
            .issue(&self.node.identity, kind, &addresses, now, valid_for.0);
        let token = issued.map_err(Failure::doing("make a token"))?;
        Ok(Issued {
            token: token.to_string(),
            expires: token.expires.to_string(),
            kind: if witness { "witness" } else { "data" }.to_owned(),
        })
    }

    async fn switchover(&self, to: Option<NodeName>, expected: &Expected) -> Result<Changed> {
        self.check(expected)?;
        self.keeper()?
            .switchover(to)
            .await
            .map(|done| changed(&done))
            .map_err(failure)
    }

    async fn failover(
        &self,
        to: NodeName,
        accept_loss: bool,
        expected: &Expected,
    ) -> Result<Changed> {
        self.check(expected)?;
        self.keeper()?
            .failover(to, accept_loss)
            .await
            .map(|done| changed(&done))
            .map_err(failure)
    }

    /// The world is still as it was when the plan was shown.
    fn check(&self, expected: &Expected) -> Result {
        let now = self.status()?.epoch;
        if now == expected.epoch {
            return Ok(());
        }
        Err(
            Failure::refused("the primary has changed since the plan was shown")
                .cause(format!(
                    "it was made in epoch {}, now is epoch {now}",
                    expected.epoch
                ))
                .hint("look again: `mainstay status`"),
        )
    }

    async fn pause(&self, paused: bool) -> Result {
        self.keeper()?.set_paused(paused).await.map_err(failure)
    }
}

#[async_trait]
impl Service for Answerer {
    async fn answer(&self, request: Request) -> Reply {
        match request {
            Request::Status => reply(self.status()),
            Request::Why { node } => reply(self.why(node).await),
            Request::Explain(question) => reply(self.explain(&question).await),
            Request::Token { witness, valid_for } => reply(self.token(witness, valid_for)),
            Request::Switchover { to, expected } => reply(self.switchover(to, &expected).await),
            Request::Failover {
                to,
                accept_loss,
                expected,
            } => reply(self.failover(to, accept_loss, &expected).await),
            Request::Reload => reply(self.order(Order::Reload).await),
            Request::Upgrade { program } => {
                reply(self.order(|done| Order::Upgrade(program, done)).await)
            }
            Request::Agent => Reply::done(&Process {
                pid: std::process::id(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            }),
            Request::Follow(following) => Reply::done(&self.follow(following).await),
            Request::Pause { paused } => reply(self.pause(paused).await),
        }
    }
}

fn reply<T: serde::Serialize>(result: Result<T>) -> Reply {
    result.map_or_else(Reply::Failed, |value| Reply::done(&value))
}

fn followed(guide: Guide, now: Instant) -> Followed {
    let fresh = guide
        .fresh_until
        .map(|until| until.saturating_duration_since(now).as_millis());
    Followed {
        mark: mark(&guide),
        epoch: guide.epoch,
        primary: guide.primary,
        hold: guide.hold,
        fresh_ms: fresh.map(|ms| u64::try_from(ms).unwrap_or(u64::MAX)),
        began: guide.began,
        asked: guide.asked,
        silent: guide.silent,
        ends: guide.ends,
    }
}

/// Tells guides apart that say something else, but for the time; never 0.
fn mark(guide: &Guide) -> u64 {
    let mut hasher = DefaultHasher::new();
    let Guide {
        epoch,
        primary,
        hold,
        began,
        asked,
        silent,
        ends,
        ..
    } = guide;
    (epoch, primary, hold, began, asked, silent, ends).hash(&mut hasher);
    hasher.finish().max(1)
}

fn changed(done: &keeper::Changed) -> Changed {
    Changed {
        epoch: done.epoch,
        from: done.from.to_string(),
        to: done.to.to_string(),
        write_pause_ms: done.write_pause_ms,
    }
}

/// The keeper's errors with what to do about them.
fn failure(error: keeper::Error) -> Failure {
    match error {
        keeper::Error::Refused(why) => {
            Failure::refused(why).hint("`mainstay why` tells what it was decided on")
        }
        keeper::Error::Ledger(_) => Failure::new("the ledger does not answer")
            .cause(error)
            .hint("a majority of its voters must run: see `mainstay status`"),
        keeper::Error::NoAnswer { .. } => Failure::new(error.to_string())
            .hint("see `mainstay status`")
            .exit(Exit::Failed),
        other => Failure::new(other.to_string()),
    }
}
