//! Carries out one action and says what came of it. It decides nothing and keeps nothing but the
//! handles it works with.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use cluster::{
    Action, Applying, Document, Intent, Mode, NodeName, Outcome, Receiving, Source, StartAs, View,
};
use mariadb::{SemiSync, Server};
use peer::tunnel::{Admissions, Hello, Mode as TunnelMode, Upstream, UpstreamTarget};

use crate::clone::{self, Progress};
use crate::scribe::Scribe;
use crate::store::Store;
use crate::{Error, Result, own_writes, tail};

/// A statement that changes a role; all but the first are quick on a healthy server.
const STATEMENT_LIMIT: Duration = Duration::from_secs(5);
/// A transaction that is being applied may be rolled back first; one that cannot be is waited for (60 s, 10.11.19).
const STOP_LIMIT: Duration = Duration::from_secs(70);
/// Closing waits for commits under way; longer than this it is withdrawn and tried again.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// Recovery of a large redo log takes minutes.
const START_LIMIT: Duration = Duration::from_mins(15);

/// The hands of the keeper. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) server: Option<Server>,
    pub(crate) scribe: Scribe,
    pub(crate) endpoint: Arc<peer::Endpoint>,
    pub(crate) upstream: Option<Arc<Upstream>>,
    pub(crate) admissions: Arc<Admissions>,
    pub(crate) store: Store,
    pub(crate) progress: Progress,
}

impl Actor {
    /// Does it. What it needs to know is in the view that it was decided from.
    pub(crate) async fn perform(self, view: View, action: Action) -> Outcome {
        let outcome = match &action {
            Action::ReadLedger => self.read().await,
            Action::Swap { next, intent } => self.swap(next, *intent).await,
            Action::Admit {
                node,
                epoch,
                mode,
                stamp,
            } => {
                let (boot, data) = (stamp.boot.to_string(), stamp.data.to_string());
                let hello = Hello {
                    epoch: *epoch,
                    mode: tunnel_mode(*mode),
                    boot,
                    data,
                };
                self.admissions.admit(node.as_str(), hello).await;
                Ok(Outcome::Done)
            }
            Action::Cut(node) => {
                self.admissions.cut(node.as_str()).await;
                Ok(Outcome::Done)
            }
            Action::SetMark(mark) => {
                let mark = *mark;
                self.store
                    .update(move |state| Ok(state.marked(mark)))
                    .await
                    .map(done)
            }
            Action::Renounce(mark) => match &self.server {
                Some(server) => {
                    let dir = &server.settings().database_dir;
                    self.store.renounce(*mark, dir).await.map(done)
                }
                None => Err(Error::Refused("this node has no server".into())),
            },
            // Kept in the core's memory alone.
            Action::Assume
            | Action::BeginGrow { .. }
            | Action::EndGrow
            | Action::BeginHandover(_)
            | Action::EndHandover
            | Action::EndWish(_) => Ok(Outcome::Done),
            _ => match self.server.clone() {
                Some(server) => self.with_server(&server, &view, &action).await,
                None => Err(Error::Refused("this node has no server".into())),
            },
        };
        outcome.unwrap_or_else(|error| Outcome::Failed(error.to_string()))
    }

    async fn read(&self) -> Result<Outcome> {
        let document = self.scribe.read().await?.ok_or(Error::NotFounded)?;
        Ok(Outcome::Read(Box::new(document)))
    }

    async fn swap(&self, next: &Document, intent: Intent) -> Result<Outcome> {
        // Why: what a node sends that hears nothing arrives and lands all the same. A primary's replicas would be out of
        // the set, and nobody could take over from one that does not know that it may go on alone, nor from
        // a member that suspected everybody and does not know that it is primary.
        if matches!(intent, Intent::Shrink | Intent::Promote) {
            self.scribe.hear().await?;
        }
        Ok(self.scribe.swap(next).await)
    }

    async fn with_server(&self, server: &Server, view: &View, action: &Action) -> Result<Outcome> {
        match action {
            Action::Start(start_as) => self.start(server, view, *start_as).await,
            Action::Kill => {
                self.close_upstream().await?;
                server.kill(KILL_LIMIT).await.map(done).map_err(Error::from)
            }
            Action::Salvage => {
                server.stop_for_salvage(STOP_LIMIT).await?;
                let salvaged = server.salvage(None, |_, _| {}).await?;
                tracing::info!(
                    transactions = salvaged.transactions,
                    position = %salvaged.position,
                    "applied what was left in the relay log"
                );
                Ok(Outcome::Done)
            }
            Action::StopReceiving { .. } => {
                resume_apply(server, view).await?;
                // Why first: against a silent primary STOP SLAVE waits 2 s while its route is open.
                self.close_upstream().await?;
                let position = server.stop_receiving(STATEMENT_LIMIT).await?;
                let status = server.status(STATEMENT_LIMIT).await?;
                // Why not always `current`: on a replica it also counts what somebody wrote there by hand.
                let held = if status.source.is_some() {
                    &status.applied
                } else {
                    &status.current
                };
                Ok(Outcome::At(position.joined(held)))
            }
            Action::Follow(source) => self.follow(server, view, source).await,
            Action::SaveTail(cut) => {
                let name = tail::name(view, "sql");
                tail::told(&server.save_tail(cut, &name).await?);
                Ok(Outcome::Done)
            }
            Action::Clone { from } => {
                self.close_upstream().await?;
                let (endpoint, store) = (&self.endpoint, &self.store);
                clone::take(view, from, server, endpoint, store, &self.progress)
                    .await
                    .map(done)
            }
            _ => self.role(server, view, action).await,
        }
    }

    async fn role(&self, server: &Server, view: &View, action: &Action) -> Result<Outcome> {
        let limit = STATEMENT_LIMIT;
        match action {
            Action::Promote => {
                self.close_upstream().await?;
                server.promote(limit).await.map(done).map_err(Error::from)
            }
            Action::Demote => server.demote(limit).await.map(done).map_err(Error::from),
            Action::SemiSync(true) => server
                .set_semi_sync_primary(SemiSync::On, limit)
                .await
                .map(done)
                .map_err(Error::from),
            Action::SemiSync(false) => {
                let revision = view.document.as_ref().map_or(0, |document| document.rev);
                let off = SemiSync::OffByLedger { revision };
                server
                    .set_semi_sync_primary(off, limit)
                    .await
                    .map(done)
                    .map_err(Error::from)
            }
            Action::NoteEnd(_) => {
                let status = server.status(limit).await?;
                Ok(Outcome::At(status.binlog))
            }
            Action::Open => server
                .set_read_only(false, limit)
                .await
                .map(done)
                .map_err(Error::from),
            Action::Close => server
                .set_read_only(true, CLOSE_LIMIT)
                .await
                .map(done)
                .map_err(Error::from),
            other => Err(Error::Refused(format!("nothing is known of {other:?}"))),
        }
    }

    async fn start(&self, server: &Server, view: &View, start_as: StartAs) -> Result<Outcome> {
        self.close_upstream().await?;
        let start_as = match start_as {
            StartAs::Ordinary => mariadb::StartAs::Ordinary,
            StartAs::Destructive => mariadb::StartAs::Destructive,
        };
        // Why each time: a directory that was put in the place of the one this start was decided for must
        // not be taken for it, however long the agent has been awake.
        if !self
            .store
            .recognise(&server.settings().database_dir)
            .await?
        {
            let why = "the data directory is not the one this node had: what to do with it is decided anew";
            return Err(Error::Refused(why.into()));
        }
        if start_as == mariadb::StartAs::Destructive {
            tail::save_before_recovery(view, server).await;
        }
        server.start(start_as, START_LIMIT).await?;
        server.ensure_accounts().await?;
        Ok(Outcome::Done)
    }

    async fn close_upstream(&self) -> Result<()> {
        match &self.upstream {
            Some(upstream) => upstream
                .set(None)
                .await
                .map_err(|e| Error::Refused(e.to_string())),
            None => Ok(()),
        }
    }

    /// Flag, tunnel and settings together, while nothing is received.
    async fn follow(&self, server: &Server, view: &View, source: &Source) -> Result<Outcome> {
        let Some(upstream) = &self.upstream else {
            return Err(Error::Refused("this node has no tunnel".into()));
        };
        let addr = address_of(view, &source.node)?;
        let epoch = source.epoch;
        let number = server.settings().server_id;
        // Why here again: under the next id nobody would find it.
        let status = server.status(STATEMENT_LIMIT).await?;
        if let Some(own) = own_writes::since_following(&status, number, view.followed) {
            let why = format!("somebody has written on this replica, up to {own}");
            return Err(Error::Refused(why));
        }
        self.store
            .update(move |state| Ok(state.following(epoch)))
            .await?;
        let stamp = view.stamp();
        let (boot, data) = (stamp.boot.to_string(), stamp.data.to_string());
        let hello = Hello {
            epoch,
            mode: tunnel_mode(source.mode),
            boot,
            data,
        };
        let target = UpstreamTarget {
            node: source.node.to_string(),
            addr,
            hello,
        };
        let id = own_writes::server_id(number, epoch);
        server.take_server_id(id, STATEMENT_LIMIT).await?;
        let set = upstream.set(Some(target)).await;
        set.map_err(|error| Error::Refused(error.to_string()))?;
        let sync = source.mode == Mode::Sync;
        let mut followed = server.follow(sync, STATEMENT_LIMIT).await;
        if matches!(followed, Err(mariadb::Error::NotDrained { .. })) && stands_still(view) {
            // Both threads were stopped by hand: a start would throw the relay log away.
            server.salvage(None, |_, _| {}).await?;
            followed = server.follow(sync, STATEMENT_LIMIT).await;
        }
        if let Err(error) = followed {
            upstream
                .set(None)
                .await
                .map_err(|error| Error::Refused(error.to_string()))?;
            return Err(error.into());
        }
        Ok(Outcome::Done)
    }
}

fn address_of(view: &View, node: &NodeName) -> Result<SocketAddr> {
    let document = view.document.as_ref().ok_or(Error::NotFounded)?;
    let address = document
        .members
        .get(node)
        .and_then(|member| member.address.parse().ok());
    address.ok_or_else(|| Error::Refused(format!("{node} has no usable address in the ledger")))
}

fn tunnel_mode(mode: Mode) -> TunnelMode {
    match mode {
        Mode::Sync => TunnelMode::Sync,
        Mode::Async => TunnelMode::Async,
    }
}

/// Starts applying when somebody has stopped it by hand. Only while something is still being received: once
/// both threads stand, a start throws away what was received and not applied.
async fn resume_apply(server: &Server, view: &View) -> Result<()> {
    let running = view.server.running();
    let stopped = running.is_some_and(|running| {
        running.replica_settings
            && running.applying == Applying::Stopped
            && matches!(
                running.receiving,
                Receiving::Streaming | Receiving::Connecting
            )
    });
    if !stopped || server.is_relay_log_unexamined() {
        return Ok(());
    }
    tracing::warn!("the applying of what is received had been stopped by hand: starts it");
    let mut sql = server.sql(STATEMENT_LIMIT).await?;
    sql.run("start applying", "START SLAVE SQL_THREAD", STATEMENT_LIMIT)
        .await?;
    sql.close().await;
    Ok(())
}

/// Neither thread of replication runs.
fn stands_still(view: &View) -> bool {
    view.server.running().is_some_and(|running| {
        running.applying == Applying::Stopped && running.receiving == Receiving::Stopped
    })
}

fn done<T>(_: T) -> Outcome {
    Outcome::Done
}
