//! What the verbs ask over the control socket.

use std::sync::Arc;

use async_trait::async_trait;
use cluster::NodeName;
use peer::Kind;
use sql_gateway::Where;
use wire::catalog::Catalog;

use super::node::Node;
use crate::config::Span;
use crate::control::{Changed, Expected, Explained, Issued, Question, Reply, Request, Service};
use crate::output::{Exit, Failure, Result};
use crate::status::Status;

/// Answers the verbs of this server.
pub(super) struct Answerer {
    node: Arc<Node>,
}

impl Answerer {
    pub(super) fn new(node: Arc<Node>) -> Self {
        Self { node }
    }

    fn keeper(&self) -> Result<keeper::Handle> {
        let starting = || Failure::new("the agent has just started").hint("try again in a moment");
        self.node.keeper.get().ok_or_else(starting)
    }

    fn status(&self) -> Result<Status> {
        let starting = || Failure::new("the agent has just started").hint("try again in a moment");
        self.node
            .picture()
            .map(|picture| Status::of(&picture))
            .ok_or_else(starting)
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
        Ok(Explained {
            may_run: may_run.to_owned(),
            because: explanation.because.to_owned(),
            part: explanation.part,
            spread: false,
        })
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
            Request::Pause { paused } => reply(self.pause(paused).await),
        }
    }
}

fn reply<T: serde::Serialize>(result: Result<T>) -> Reply {
    result.map_or_else(Reply::Failed, |value| Reply::done(&value))
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
