//! A statement that cannot go now: waits for an open gate and a connection to the primary, at most `hold_max`.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::{Duration, Instant};

use wire::login::Login;

use super::arrive::{RETRY, attempt, settle};
use super::client::Client;
use super::connect::{Account, Attempt, Backend, is_passing, restore};
use super::place::Search;
use super::scratch;
use crate::fault::Fault;
use crate::metrics::Held;
use crate::reactor::{sleep, sleep_until, timeout};
use crate::registry::Waiting;
use crate::route::Route;
use crate::secret::Credential;
use crate::session::Phase;
use crate::tally::Opened;

/// A server that refused as read-only is asked again after this, in case a switchover was called off.
const ASK_AGAIN: Duration = Duration::from_millis(200);
/// The most that is read ahead while a statement waits.
const MAX_AHEAD: usize = 64 * 1024;

enum Woken {
    Gate,
    Late,
    Interrupted,
    ClientGone,
    Again,
}

impl Client {
    /// Returns when the statement can be sent, or has been answered with an error; false when the client is gone.
    pub(super) async fn wait(&mut self) -> bool {
        let shared = Arc::clone(&self.shared);
        let since = *self.link.waiting_since.get_or_insert_with(Instant::now);
        let deadline = since + shared.limits.hold_max();
        let waiting = self.entry.wait();
        let mut held = None;
        let mut again = false;
        loop {
            self.follow();
            // Why not before: a transaction that waits with its connection is open, and a drain waits for it.
            if !self.link.session.in_transaction() {
                self.link.leave();
            }
            let doubts = self.resolve().await;
            if !doubts && self.link.session.phase() != Phase::Ready {
                return true;
            }
            if !doubts
                && self.link.backend.is_none()
                && let Some(fault) = self.link.session.obstacle()
            {
                self.link.session.fail(&fault);
                return true;
            }
            let refused = self.link.session.was_refused() && !again;
            let in_transaction = self.link.session.in_transaction();
            let free = if self.entry.manner.reads_only {
                self.may_read()
            } else {
                !doubts && !self.state.shut(in_transaction) && !refused
            };
            if free && self.connected(&mut again).await {
                if held.is_some() {
                    shared.counters.held_for(since.elapsed());
                }
                return true;
            }
            if !doubts && self.link.session.phase() != Phase::Ready {
                return true;
            }
            held.get_or_insert_with(|| Held::start(&shared, &self.entry));
            let soon = refused || !self.state.held() || self.entry.manner.reads_only;
            match self.sleep(deadline, soon, &waiting).await {
                Woken::Gate => {}
                Woken::Again => again = true,
                Woken::Late | Woken::Interrupted if doubts => {
                    self.link.session.unanswered();
                    self.link.waiting_since = None;
                    return true;
                }
                Woken::Late => {
                    let fault = self.too_late(since.elapsed());
                    self.link.session.give_up(&fault);
                    self.link.waiting_since = None;
                    return true;
                }
                Woken::Interrupted => {
                    self.link.session.fail(&Fault::Interrupted);
                    return true;
                }
                Woken::ClientGone => return false,
            }
        }
    }

    /// True when there is a connection to the primary now.
    async fn connected(&mut self, again: &mut bool) -> bool {
        if self.link.backend.is_some() {
            self.link.session.ask_again();
            *again = false;
            return true;
        }
        self.reconnect().await
    }

    pub(super) async fn reconnect(&mut self) -> bool {
        let doubts = self.link.session.phase() == Phase::Doubt;
        let user = String::from_utf8_lossy(&self.login.user).into_owned();
        let known = std::mem::replace(&mut self.credential, Credential::PassedThrough);
        self.credential = settle(&self.shared, &user, known);
        if matches!(
            self.credential,
            Credential::PassedThrough | Credential::Unproven(_)
        ) {
            if doubts {
                return false;
            }
            let fault = Fault::CannotMove("a login that was passed through to the server");
            self.link.session.fail(&fault);
            return false;
        }
        let mut login = Login::clone(&self.login);
        login.capabilities = self.link.session.adjust(login.capabilities);
        let account = Account {
            login: &login,
            database: self.link.session.database(),
            credential: Some(self.credential.clone()),
            peer: self.entry.peer(),
        };
        let route = Arc::clone(&self.state.route);
        let found = match self.find(&route, account, doubts).await {
            Ok(found) => found,
            Err(fault) => {
                self.link.session.fail(&fault);
                return false;
            }
        };
        match found {
            // Why: its primary is there as before; what ran may still run, or wait for its acknowledgement.
            Attempt::Connected(..) if doubts => self.link.session.unanswered(),
            _ if doubts => {}
            Attempt::Connected(mut backend, ok, _) => {
                let limit = self.shared.config.connect_timeout;
                let is_away = self.link.session.is_away();
                // Why not always: a round trip more for each statement of a client that is seldom there.
                let script = if backend.tracks && self.link.session.is_bare() {
                    Vec::new()
                } else {
                    self.link.session.script()
                };
                match timeout(limit, restore(&mut backend.stream, &script)).await {
                    Ok(Ok(Ok(()))) => {
                        let ok = wire::reply::OkPacket::parse(&ok);
                        self.link
                            .session
                            .moved(ok.map_or(wire::flags::AUTOCOMMIT, |ok| ok.status));
                        self.is_back(backend, is_away);
                        return true;
                    }
                    Ok(Ok(Err(why))) => self.link.session.fail(&Fault::CannotRestore(why)),
                    Ok(Err(_)) | Err(_) => {}
                }
            }
            Attempt::Refused(err) if !is_passing(&err) => {
                let why = wire::reply::ErrPacket::parse(&err).map_or_else(String::new, |err| {
                    String::from_utf8_lossy(err.message).into_owned()
                });
                self.link.session.fail(&Fault::CannotRestore(why));
            }
            Attempt::Refused(_) | Attempt::ClientGone => {}
            Attempt::Failed(why) => tracing::debug!(why, "move to the primary failed"),
        }
        false
    }

    /// The session stands on this connection. `was_away`: it had given its own away.
    fn is_back(&mut self, backend: Backend, was_away: bool) {
        let why = if was_away {
            Opened::Pool
        } else {
            Opened::Moved
        };
        self.link.attach(backend, &self.entry, why);
        let moved = &self.shared.counters.moved;
        moved.fetch_add(u64::from(!was_away), Ordering::Relaxed);
    }

    /// A connection: one that waits, or a new one.
    async fn find(
        &self,
        route: &Arc<Route>,
        account: Account<'_>,
        doubts: bool,
    ) -> Result<Attempt, Fault> {
        let Self { shared, gate, .. } = self;
        if doubts {
            // Why not one that waits: that the primary is there, only it can say.
            return Ok(attempt(shared, gate, route, account, None).await);
        }
        let search = Search {
            shared,
            gate,
            route,
            entry: &self.entry,
        };
        search.connection(account, None).await
    }

    /// Sleeps until something may have changed; `soon`: nobody will say so, look again.
    async fn sleep(&mut self, deadline: Instant, soon: bool, waiting: &Waiting) -> Woken {
        let pause = if self.link.session.was_refused() {
            ASK_AGAIN
        } else {
            RETRY
        };
        let link = &mut self.link;
        let client_gone = poll_fn(|_| {
            while link.ahead.len() < MAX_AHEAD {
                let ahead = &mut link.ahead;
                let read = scratch::poll_read(&mut link.client, |chunk| {
                    ahead.extend_from_slice(chunk);
                    chunk.is_empty()
                });
                match read {
                    Poll::Ready(Ok(false)) => {}
                    Poll::Ready(Ok(true) | Err(_)) => return Poll::Ready(()),
                    Poll::Pending => break,
                }
            }
            Poll::Pending
        });
        tokio::select! {
            _ = self.gate.changed() => Woken::Gate,
            () = sleep_until(deadline) => Woken::Late,
            () = waiting.interrupted() => Woken::Interrupted,
            () = client_gone => Woken::ClientGone,
            () = sleep(pause), if soon => Woken::Again,
        }
    }
}
