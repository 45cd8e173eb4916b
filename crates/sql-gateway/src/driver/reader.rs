//! Clients that only read: each is bound to one replica, by a connection of its own. It yields when the replica is needed
//! for something else, lags, or is none any more: between statements unnoticed, else with one error.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;
use wire::kill::Kill;

use super::arrive::RETRY;
use super::client::Client;
use super::connect::{Account, Attempt, Backend, connect_at};
use super::link::{Around, Link};
use super::packets::Packets;
use super::place::Search;
use super::spread::{Runs, Spread};
use crate::fault::Fault;
use crate::gate::GateState;
use crate::manner::{OnPrimary, ReadOnly};
use crate::metrics::Held;
use crate::reactor::{now, sleep, timeout};
use crate::registry::Entry;
use crate::route::Route;
use crate::service::Shared;
use crate::session::Side;
use crate::tally::Closed;

/// Where such a client's connection leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Post {
    /// To the replica with this place.
    Replica(usize),
    /// To the primary.
    Primary,
}

/// What to do with a connection before a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// The statement may be sent.
    Stay,
    /// Another server is better: go there if nothing stands in the way.
    Better,
    /// This one may not be read from now, another may.
    Go,
    /// None may.
    Wait,
}

impl Spread {
    /// Where a new connection leads, if anywhere.
    pub(super) fn post(&self, route: &Route, reads: &ReadOnly) -> Option<Post> {
        if route.lease.is_over() {
            return None;
        }
        self.refresh(route);
        let replica = self.nearest(reads.lag_max);
        replica
            .map(Post::Replica)
            .or_else(|| primary_serves(route, reads).then_some(Post::Primary))
    }

    /// What to do with a connection that leads there, outside a transaction.
    pub(super) fn word(&self, post: Post, route: &Route, reads: &ReadOnly) -> Word {
        let best = self.post(route, reads);
        match (post, best) {
            (Post::Replica(place), _) if self.is_near(place, reads.lag_max) => Word::Stay,
            (Post::Primary, _) if reads.on_primary == OnPrimary::Never => Word::Go,
            (Post::Primary, Some(Post::Replica(_))) => Word::Better,
            // Why also when the primary would not be taken now: it is nearer than any replica.
            (Post::Primary, _) => Word::Stay,
            (_, Some(_)) => Word::Go,
            (_, None) => Word::Wait,
        }
    }
}

/// Called when there is no replica that may be read from, or a better one.
fn primary_serves(route: &Route, reads: &ReadOnly) -> bool {
    route.target.is_some()
        && match reads.on_primary {
            OnPrimary::Alone => route.replicas.names().is_empty(),
            OnPrimary::Needed => true,
            OnPrimary::Never => false,
        }
}

/// True while a connection leads where it was made for.
fn is_there(backend: &Backend, spread: &Spread, state: &GateState) -> bool {
    match backend.post {
        Some(Post::Replica(place)) => {
            let names = state.route.replicas.names();
            let node = spread.node(place);
            let listed = node.is_some_and(|node| names.iter().any(|name| **name == *node));
            listed && state.route.epoch == backend.route.epoch
        }
        _ => state.is_current(&backend.route),
    }
}

impl Backend {
    /// Which side it leads to.
    pub(super) fn side(&self) -> Side {
        match self.post {
            Some(Post::Replica(_)) => Side::Replica,
            _ => Side::Primary,
        }
    }
}

/// Waits until there is a server to read from.
pub(super) async fn open<'a>(
    (shared, entry): (&'a Shared, &Entry),
    gate: &watch::Receiver<GateState>,
    deadline: Instant,
    held: &mut Option<Held<'a>>,
) -> Option<Arc<Route>> {
    let spread = Spread::here();
    loop {
        let route = Arc::clone(&gate.borrow().route);
        let rules = shared.limits.rules();
        if spread.post(&route, &rules.read_only).is_some() {
            return Some(route);
        }
        if Instant::now() >= deadline {
            return None;
        }
        held.get_or_insert_with(|| Held::start(shared, entry));
        sleep(RETRY).await;
    }
}

impl Search<'_> {
    /// A connection of its own for a client that only reads. Nobody else had it, and nobody gets it.
    pub(super) async fn to_read(
        &self,
        account: Account<'_>,
        client: Option<&mut Packets<'_>>,
    ) -> Attempt {
        let spread = Spread::here();
        let rules = self.shared.limits.rules();
        let post = spread.post(self.route, &rules.read_only);
        let Some(post) = post else {
            return Attempt::Failed("there is no server to read from".to_owned());
        };
        let node = match post {
            Post::Replica(place) => spread.node(place),
            Post::Primary => {
                let target = self.route.target.as_ref();
                target.map(|target| target.node.as_str().into())
            }
        };
        let Some(node): Option<Rc<str>> = node else {
            return Attempt::Failed("there is no server to read from".to_owned());
        };
        let mut limit = self.shared.config.connect_timeout;
        if client.is_some() {
            limit += self.shared.config.handshake_timeout;
        }
        // Why not by a unix socket: it is this server that says who the client is.
        let address = self.shared.dial.proving(self.route, &node);
        let connecting = connect_at(self.shared, (self.route, &node), address, account, client);
        let mut moved = self.gate.clone();
        let epoch = self.route.epoch;
        let made = tokio::select! {
            made = timeout(limit, connecting) => made.unwrap_or_else(|_| {
                Attempt::Failed(format!("no login within {} s", limit.as_secs()))
            }),
            _ = moved.wait_for(|state| state.route.epoch != epoch) => {
                Attempt::Failed("the route changed".to_owned())
            }
        };
        match made {
            Attempt::Connected(mut backend, ok, credential) => {
                backend.post = Some(post);
                Attempt::Connected(backend, ok, credential)
            }
            other => other,
        }
    }
}

impl Link {
    /// What to do with the connection before the statement that waits; `None`: there is no connection.
    pub(super) fn word(&self, state: &GateState) -> Option<Word> {
        let backend = self.backend.as_ref()?;
        if state.route.lease.is_over() {
            return Some(Word::Wait);
        }
        if self.session.in_transaction() {
            return Some(Word::Stay);
        }
        let rules = self.shared.limits.rules();
        let post = backend.post.unwrap_or(Post::Primary);
        Some(self.spread.word(post, &state.route, &rules.read_only))
    }

    /// True when the statement may be sent on the connection as it is; else something happened, or must.
    pub(super) fn reads_here(&mut self, around: &Around<'_>) -> bool {
        let obstacle = self.session.obstacle();
        match (self.word(around.state), obstacle) {
            (Some(Word::Stay), _) | (Some(Word::Better), Some(_)) => true,
            (Some(Word::Go), Some(fault)) => {
                self.session.fail(&fault);
                false
            }
            (Some(Word::Better | Word::Go), None) => {
                self.yields(around.entry, Closed::Rerouted, around.state);
                false
            }
            (Some(Word::Wait) | None, _) => false,
        }
    }

    /// The connection is given up; a read that was not answered runs elsewhere, if there is another replica.
    pub(super) fn yields(&mut self, entry: &Entry, why: Closed, state: &GateState) {
        let rules = self.shared.limits.rules();
        let next = self.spread.post(&state.route, &rules.read_only);
        let here = self.backend.as_ref().and_then(|backend| backend.post);
        let is_other = matches!(next, Some(Post::Replica(_))) && next != here;
        self.session.may_rerun(is_other);
        self.lose_backend(entry, why);
    }

    /// The statement is on its way to the server that this client reads from.
    pub(super) fn counts_read(&mut self, around: &Around<'_>, waker: &std::task::Waker) {
        let Some(backend) = &self.backend else { return };
        self.runs = match backend.post {
            Some(Post::Replica(place)) => Runs::Replica(place),
            _ => Runs::Primary,
        };
        around.entry.set_elsewhere(backend.thread);
        around.entry.set_waker(waker);
        self.session.counts_as(backend.side());
        self.spread.begins(self.runs);
        self.started = now();
        let lane = &self.shared.lanes[self.lane];
        match backend.side() {
            Side::Replica => lane.count_read(),
            Side::Primary => lane.count_statement(),
        }
    }

    /// The server of a client that only reads, and its id there.
    pub(super) fn reads_at(&self, state: &GateState) -> Option<Rc<str>> {
        let backend = self.backend.as_ref()?;
        match backend.post? {
            Post::Replica(place) => self.spread.node(place),
            Post::Primary => {
                let target = state.route.target.as_ref()?;
                Some(target.node.as_str().into())
            }
        }
    }
}

impl Client {
    /// A connection that does not lead where it did is cut at once.
    pub(super) fn cut_if_gone(&mut self) {
        let backend = self.link.backend.as_ref();
        if backend.is_some_and(|it| !is_there(it, &self.link.spread, &self.state)) {
            self.link.yields(&self.entry, Closed::Rerouted, &self.state);
        }
    }

    /// True when a statement that waits may go on: there is a server to read from.
    pub(super) fn may_read(&self) -> bool {
        if let Some(word) = self.link.word(&self.state) {
            return word != Word::Wait;
        }
        let rules = self.shared.limits.rules();
        let route = &self.state.route;
        self.link.spread.post(route, &rules.read_only).is_some()
    }

    /// A KILL by a client that only reads: of itself, or of another such client of the same user by the id it was greeted
    /// with; any other id is its own server's.
    pub(super) fn kill_of_reader(&mut self, kill: Kill) {
        let id = kill.id.unwrap_or_else(|| self.entry.id.into());
        let target = self.shared.registry.greeted_with(id);
        match target {
            None => self.link.session.resolved(None),
            Some(target) if target.id == self.entry.id => {
                let server = self.entry.server();
                self.link.session.resolved(server);
            }
            Some(target) => self.kill_reader(&target, kill),
        }
    }

    /// A KILL of a client that only reads, of the same user.
    pub(super) fn kill_reader(&mut self, target: &Arc<Entry>, kill: Kill) {
        let session = &mut self.link.session;
        if !target.manner.reads_only || !target.is_user(&self.login.user) {
            return session.fail(&Fault::NotOwner(target.id.into()));
        }
        if !target.interrupt() {
            target.strike_whole(!kill.query);
            self.shared.lanes[target.lane].visit(crate::reactor::wake_all);
        }
        session.killed_here();
    }

    /// What a client that only reads is told when its statement has waited for too long.
    pub(super) fn too_late(&self, waited: Duration) -> Fault {
        if self.entry.manner.reads_only {
            Fault::NoReplica { waited }
        } else {
            Fault::NoPrimary { waited }
        }
    }
}
