//! One client's task, from its first byte to its last.

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::watch;
use wire::kill::Kill;
use wire::login::Login;

use super::arrive::{Gone, arrive};
use super::elsewhere::Elsewhere;
use super::link::{Around, Event, Link};
use crate::crew::Guest;
use crate::fault::Fault;
use crate::freshness::Freshness;
use crate::gate::GateState;
use crate::listen::Newcomer;
use crate::manner::Manner;
use crate::reactor::wake_all;
use crate::registry::{Entry, Killing};
use crate::secret::Credential;
use crate::service::Shared;
use crate::session::Phase;
use crate::tally::{Closed, Left, Visit};

/// A logged-in client.
pub(super) struct Client {
    pub(super) shared: Arc<Shared>,
    pub(super) entry: Arc<Entry>,
    pub(super) gate: watch::Receiver<GateState>,
    /// The gate as this session acts on it.
    pub(super) state: GateState,
    pub(super) link: Link,
    pub(super) login: Arc<Login>,
    pub(super) credential: Credential,
    pub(super) salt: [u8; 20],
    /// How often it was refused to become somebody else.
    pub(super) refusals: u8,
    killing: Option<Killing>,
    visit: Visit,
    // Why last: only when all the rest is gone the client counts no more.
    _guest: Guest,
}

/// Serves one client until it is gone. Must be called on its thread.
pub(crate) fn serve(newcomer: (Newcomer, Manner), guest: Guest) -> impl Future<Output = ()> {
    // Why apart: a login takes far more memory than the client that comes of it, and that stays.
    let coming = Box::pin(come(newcomer, guest));
    async move {
        let client = coming.await;
        if let Some(mut client) = client {
            let left = client.run().await;
            client.leaves(left);
        }
    }
}

/// Logs one client in. `None`: nothing came of it.
async fn come((newcomer, manner): (Newcomer, Manner), guest: Guest) -> Option<Box<Client>> {
    let (shared, lane) = (Arc::clone(&guest.shared), guest.lane);
    let entry = shared.registry.add(newcomer.peer(), lane, manner);
    let mut visit = Visit::new(&shared, lane, newcomer.via());
    let Ok(mut stream) = newcomer.into_socket() else {
        shared.registry.remove(entry.id);
        return None;
    };
    let mut gate = shared.gate.watch();
    let arrived = match arrive(&shared, &entry, &mut gate, &mut stream).await {
        Ok(arrived) => arrived,
        Err(Gone(left)) => {
            ends((&shared, &entry), &mut visit, left);
            return None;
        }
    };
    visit.is(entry.account());
    let (backend, session) = (arrived.backend, arrived.session);
    let mut link = Link::new((Arc::clone(&shared), &entry), stream, backend, session);
    link.ahead = arrived.ahead;
    let state = gate.borrow_and_update().clone();
    let mut client = Box::new(Client {
        shared,
        entry,
        gate,
        state,
        link,
        login: arrived.login,
        credential: arrived.credential,
        salt: arrived.salt,
        refusals: 0,
        killing: None,
        visit,
        _guest: guest,
    });
    client.spread();
    client.cut_if_stale();
    Some(client)
}

/// A client's connection ends.
fn ends((shared, entry): (&Shared, &Entry), visit: &mut Visit, left: Left) {
    let (id, why) = (entry.id, left.name());
    tracing::debug!(id, why, "a client's connection ends");
    visit.leaves(left);
    shared.registry.remove(id);
}

impl Client {
    /// Returns why it ended.
    async fn run(&mut self) -> Left {
        loop {
            let event = if self.link.session.phase() == Phase::Doubt {
                Event::Wait
            } else {
                poll_fn(|cx| self.poll_event(cx)).await
            };
            self.link.calm = false;
            match event {
                Event::Gate => self.follow(),
                Event::Idle => self.part(),
                Event::Doomed => self.link.session.killed(),
                Event::Wait => {
                    if !Box::pin(self.wait()).await {
                        return Left::Vanished;
                    }
                }
                Event::ChangeUser(payload) => {
                    if let Err(Gone(left)) = Box::pin(self.change_user(&payload)).await {
                        return left;
                    }
                    self.visit.is(self.entry.account());
                }
                Event::Kill(kill) => self.kill(kill),
                Event::KillAnswered => self.kill_answered(),
                Event::Gone => return self.why_gone(),
            }
        }
    }

    /// It has gone.
    fn leaves(&mut self, left: Left) {
        self.give_back();
        ends((&self.shared, &self.entry), &mut self.visit, left);
    }

    fn why_gone(&self) -> Left {
        let session = &self.link.session;
        match session.phase() {
            _ if session.said_goodbye() => Left::Quit,
            _ if self.entry.is_doomed() => Left::Killed,
            Phase::Closing => Left::Error,
            _ => Left::Vanished,
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        let around = Around {
            entry: &self.entry,
            gate: &self.gate,
            state: &self.state,
            login: &self.login,
            credential: &self.credential,
        };
        // Who wakes this task for it: see `follow` in `service.rs`.
        if around.gate.has_changed().unwrap_or(false) {
            return Poll::Ready(Event::Gate);
        }
        // Who wakes this task for these: see `wake_idle` in `away.rs`, and `kill`.
        if self.link.is_doomed(around.entry) {
            return Poll::Ready(Event::Doomed);
        }
        let poll = self.link.poll(cx, &around);
        let idle = self.shared.config.pool.idle_clients;
        if !idle.is_zero() && poll.is_pending() && self.link.is_idle_for(idle) {
            return Poll::Ready(Event::Idle);
        }
        poll
    }

    /// Acts on the route: a connection that does not lead to the primary is cut at once.
    pub(super) fn follow(&mut self) {
        self.state = self.gate.borrow_and_update().clone();
        self.cut_if_stale();
    }

    fn cut_if_stale(&mut self) {
        if self.entry.manner.reads_only {
            return self.cut_if_gone();
        }
        if let Some(backend) = &self.link.backend
            && !self.state.is_current(&backend.route)
        {
            self.link.lose_backend(&self.entry, Closed::Rerouted);
        }
        self.link.cut_stale_replica(&self.state);
    }

    /// Whether its reads may go to replicas: only when it can log in there, too.
    pub(super) fn spread(&mut self) {
        let config = &self.shared.config;
        let repeats = matches!(self.credential, Credential::Empty | Credential::Native(_));
        if !config.split || !repeats || self.entry.manner.reads_only {
            return;
        }
        let user = String::from_utf8_lossy(&self.login.user);
        let rules = self.shared.limits.rules();
        let freshness = rules.freshness(&user, self.entry.manner);
        if freshness == Freshness::Primary {
            return;
        }
        self.link.session.spread(self.login.collation.into());
        self.link.elsewhere = Some(Box::new(Elsewhere::new(freshness)));
    }

    /// Finds out whom a KILL means. A session's statement that waits here is interrupted here.
    fn kill(&mut self, kill: Kill) {
        if self.entry.manner.reads_only {
            return self.kill_of_reader(kill);
        }
        let id = kill.id.unwrap_or_else(|| self.entry.id.into());
        let Some(target) = self.shared.registry.find(id) else {
            return self.link.session.resolved(None);
        };
        if target.manner.reads_only {
            return self.kill_reader(&target, kill);
        }
        if target.is_user(&self.login.user) && target.interrupt() {
            return self.link.session.killed_here();
        }
        if target.is_user(&self.login.user) && target.kill_away(!kill.query) {
            self.shared.lanes[target.lane].visit(wake_all);
            return self.link.session.killed_here();
        }
        let Some(server) = target.server() else {
            return self.link.session.fail(&Fault::NotOwner(id));
        };
        self.killing = Some(Killing::start(target, !kill.query));
        self.link.killing = true;
        self.link.session.resolved(Some(server));
    }

    fn kill_answered(&mut self) {
        self.link.killing = false;
        if let Some(killing) = self.killing.take() {
            if self.link.session.last_failed() {
                killing.refused();
            } else {
                killing.done();
            }
        }
    }
}
