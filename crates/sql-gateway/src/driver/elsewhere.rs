//! The second connection of a session, to a replica: made beside the session once it has use for it, while its reads go
//! to the primary; and the reads that are sent there.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use super::asker;
use super::connect::{Account, Attempt, Backend, connect_to};
use super::link::{Around, Link};
use super::outbox::Outbox;
use super::settings::are_alike;
use super::spare::Guest;
use super::spread::Runs;
use crate::freshness::{Freshness, Need, Ticket};
use crate::gate::GateState;
use crate::pool::{Dress, Fit, Identity};
use crate::reactor::{now, spawn, timeout};
use crate::registry::Entry;
use crate::session::{Place, Side};
use crate::tally::{Closed, Opened, Ticket as Counted};

/// A session's connection to a replica.
pub(super) struct Replica {
    pub(super) backend: Backend,
    outbox: Outbox,
    /// Its place in the thread's list.
    pub(super) place: usize,
    /// The question whose answer the last read waited for.
    pub(super) waited_for: u64,
}

/// Where that connection is.
#[derive(Default)]
pub(super) enum There {
    /// There is none.
    #[default]
    Nowhere,
    /// It is being made; with the default database it was asked for.
    Coming(Rc<Coming>),
    /// Here.
    Here(Box<Replica>),
}

/// A connection that is being made.
#[derive(Default)]
enum Made {
    #[default]
    NotYet,
    Yes(Box<Backend>),
    No,
}

pub(super) struct Coming {
    place: usize,
    database: Box<[u8]>,
    done: RefCell<Made>,
    /// A read that waits for it, if it does.
    waiting: RefCell<Option<Waker>>,
}

impl Coming {
    fn is_made(&self, made: Made) {
        self.done.replace(made);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

/// A read that waits for the primary's word.
#[derive(Clone, Copy)]
struct Waits {
    ticket: Ticket,
    /// How many questions had failed before.
    failures: u32,
    /// The answer that had come before: its task is woken with the next one.
    after: u64,
}

/// What a session needs for its reads on replicas.
pub(super) struct Elsewhere {
    pub(super) freshness: Freshness,
    pub(super) there: There,
    /// What a read waits for.
    waits: Option<Waits>,
    /// Reads that would have gone to a replica, had there been a connection.
    missed: u8,
}

impl Elsewhere {
    pub(super) fn new(freshness: Freshness) -> Self {
        Self {
            freshness,
            there: There::Nowhere,
            waits: None,
            missed: 0,
        }
    }

    /// True while a read waits for the primary's word.
    #[inline]
    pub(super) fn waits(&self) -> bool {
        self.waits.is_some()
    }

    /// True when no bytes wait to be written to a replica.
    #[inline]
    pub(super) fn is_dry(&self) -> bool {
        match &self.there {
            There::Here(replica) => replica.outbox.is_empty(),
            There::Nowhere | There::Coming(_) => true,
        }
    }

    /// True when a replica may have said something.
    #[inline]
    pub(super) fn has_answer(&self) -> bool {
        match &self.there {
            There::Here(replica) => replica.backend.stream.is_readable(),
            There::Nowhere | There::Coming(_) => false,
        }
    }
}

/// What became of a statement that may run on a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// It was sent there.
    There,
    /// It waits for the primary's word how far it is.
    Waits,
    /// It goes to the primary.
    Here,
}

impl Link {
    /// The session knows what names mean, as far as anybody does.
    pub(super) fn learn_names(&mut self) {
        if self.elsewhere.is_some() {
            let lexicon = &self.shared.lexicon;
            let version = lexicon.version();
            if self.session.names_version() != version {
                self.session.know(version, lexicon.catalog());
            }
        }
    }

    /// Sends the statement to a replica, if that is right and of use.
    pub(super) fn send_elsewhere(&mut self, cx: &mut Context<'_>, around: &Around<'_>) -> Went {
        let Some(elsewhere) = &self.elsewhere else {
            return Went::Here;
        };
        // Why first: most often that is all.
        let is_idle = self
            .spread
            .is_idle(&around.state.route, &self.shared.config);
        if is_idle && !elsewhere.waits() && !self.session.looks_back() {
            return Went::Here;
        }
        self.learn_names();
        let place = self.session.place(&self.spread.surprises.borrow());
        match place {
            Place::Primary(_) => Went::Here,
            Place::Replica => self.launch_there(None, around),
            Place::Ask => self.ask_there(around),
            Place::Either => self.choose(cx, around),
        }
    }

    fn choose(&mut self, cx: &mut Context<'_>, around: &Around<'_>) -> Went {
        self.spread.refresh(&around.state.route);
        self.arrive(cx, around);
        let config = &self.shared.config;
        let Some(elsewhere) = &mut self.elsewhere else {
            return Went::Here;
        };
        let place = match &elsewhere.there {
            There::Here(replica) => replica.place,
            There::Coming(coming) if config.prefer_replicas => {
                coming.waiting.replace(Some(cx.waker().clone()));
                return Went::Waits;
            }
            There::Coming(_) => return Went::Here,
            There::Nowhere => {
                let Some(place) = self.spread.choose(config) else {
                    return Went::Here;
                };
                let prefers = config.prefer_replicas;
                elsewhere.missed = elsewhere.missed.saturating_add(1);
                // Why not at the first: clients that make a connection for each query would make two.
                let is_due = elsewhere.missed > 1 || prefers;
                if !self.take_parked(place, around) {
                    if is_due {
                        self.come(place, cx, around);
                    }
                    return if prefers { Went::Waits } else { Went::Here };
                }
                place
            }
        };
        let config = &self.shared.config;
        let Some(elsewhere) = &mut self.elsewhere else {
            return Went::Here;
        };
        if self.session.replica_is_busy() {
            return Went::Here;
        }
        let ticket = match elsewhere.waits {
            Some(waits) if waits.failures == self.spread.failures() => waits.ticket,
            Some(_) => return Went::Here,
            None if !self.spread.prefers(place, config) => return Went::Here,
            None => self.spread.horizon.borrow().ticket(),
        };
        let need = self.spread.need(
            (
                elsewhere.freshness.of(self.session.knows_its_writes()),
                ticket,
            ),
            self.session.wrote(),
            place,
            config.wait_max,
        );
        match need {
            Need::Nothing => self.launch_there(None, around),
            Need::Wait(sql) => self.launch_there(Some(&sql), around),
            Need::Primary => Went::Here,
            Need::Answer => self.wait_for_answer(ticket, cx, around),
        }
    }

    /// Takes the connection that has been made, if one has.
    fn arrive(&mut self, cx: &Context<'_>, around: &Around<'_>) {
        if let Some(There::Coming(coming)) = self.elsewhere.as_deref().map(|it| &it.there)
            && let done = coming.done.take()
            && !matches!(done, Made::NotYet)
        {
            let coming = Rc::clone(coming);
            around.entry.set_waker(cx.waker());
            self.adopt(&coming, done, around);
        }
    }

    fn wait_for_answer(
        &mut self,
        ticket: Ticket,
        cx: &mut Context<'_>,
        around: &Around<'_>,
    ) -> Went {
        let Some(elsewhere) = &mut self.elsewhere else {
            return Went::Here;
        };
        if self.spread.horizon.borrow().must_ask(ticket) {
            let identity = || asker::Identity {
                login: around.login.clone(),
                credential: around.credential.clone(),
                peer: around.entry.peer(),
            };
            let route = &around.state.route;
            if !self.spread.ask(&self.shared, route, identity) {
                return Went::Here;
            }
        }
        let after = self.spread.horizon.borrow().answered();
        let before = elsewhere.waits.replace(Waits {
            ticket,
            failures: self.spread.failures(),
            after,
        });
        if before.is_none_or(|before| before.after != after) {
            self.spread.wait(cx.waker());
        }
        Went::Waits
    }

    /// The statement waits for nothing any more.
    pub(super) fn wait_no_more(&mut self) {
        if let Some(elsewhere) = &mut self.elsewhere {
            elsewhere.waits = None;
        }
    }

    /// Its statement is counted there.
    pub(super) fn runs_at(&mut self, runs: Runs) {
        self.spread.begins(runs);
        self.runs = runs;
    }

    fn launch_there(&mut self, wait: Option<&str>, around: &Around<'_>) -> Went {
        let answered = self.spread.horizon.borrow().answered();
        let Some(There::Here(replica)) = self.elsewhere.as_deref_mut().map(|it| &mut it.there)
        else {
            return Went::Here;
        };
        let Some(bytes) = self.session.launch_elsewhere(wait) else {
            return Went::Here;
        };
        if !bytes.is_empty() {
            replica.outbox.send(&mut replica.backend.stream, bytes);
        }
        replica.waited_for = if wait.is_some() { answered } else { 0 };
        around.entry.set_elsewhere(replica.backend.thread);
        let runs = Runs::Replica(replica.place);
        self.runs_at(runs);
        self.started = now();
        self.shared.lanes[self.lane].count_read();
        if self.session.has_more_for_replica() {
            self.flush_replica();
        }
        Went::There
    }

    /// The statement asks about what ran there, and must run on the primary.
    #[cold]
    fn ask_there(&mut self, around: &Around<'_>) -> Went {
        let Some(There::Here(replica)) = self.elsewhere.as_deref_mut().map(|it| &mut it.there)
        else {
            return Went::Here;
        };
        if !self.session.ask_elsewhere() {
            return Went::Here;
        }
        replica.waited_for = 0;
        around.entry.set_elsewhere(replica.backend.thread);
        let runs = Runs::Replica(replica.place);
        self.runs_at(runs);
        self.flush_replica();
        Went::There
    }

    /// Writes what waits for the replica.
    pub(super) fn flush_replica(&mut self) {
        if let Some(There::Here(replica)) = self.elsewhere.as_deref_mut().map(|it| &mut it.there) {
            let bytes = self.session.take_to_replica();
            if !bytes.is_empty() {
                replica.outbox.send(&mut replica.backend.stream, &bytes);
            }
            // Why: after a failed write reading finds the end.
            if !replica.outbox.is_empty() {
                let _ = replica.outbox.poll_flush(&mut replica.backend.stream);
            }
        }
    }

    /// Takes a connection that another client has left, if one lies ready.
    fn take_parked(&mut self, place: usize, around: &Around<'_>) -> bool {
        let Some(node) = self.spread.node(place) else {
            return false;
        };
        let login = around.login;
        let identity = Identity::of(&login.user, around.entry.peer(), around.credential);
        let (Some(identity), true) = (identity, self.may_share()) else {
            return false;
        };
        let guest = Guest {
            identity: identity.on_replica(&node),
            fit: Fit::of(login),
            dress: Dress::of(login, &login.database),
            login,
            credential: around.credential,
        };
        let Some(backend) = guest.find_ready(&self.shared) else {
            return false;
        };
        self.stand_on(Box::new(backend), place, &login.database, around);
        true
    }

    /// Whether its connection to a replica may be one that another client has left, and may be left to others.
    fn may_share(&self) -> bool {
        self.shared.config.pool.enabled && !self.session.left(false).options
    }

    /// Takes the connection away from a session that has no more use for it, to be given to others.
    pub(super) fn take_replica(&mut self, entry: &Entry) -> Option<(Backend, Rc<str>)> {
        let elsewhere = self.elsewhere.as_mut()?;
        let is_dry = elsewhere.is_dry();
        let There::Here(replica) = std::mem::take(&mut elsewhere.there) else {
            return None;
        };
        entry.set_elsewhere(0);
        let is_at_rest = is_dry && self.session.replica_is_at_rest();
        self.session.replica_lost();
        let node = self.spread.node(replica.place)?;
        (is_at_rest && self.may_share()).then_some((replica.backend, node))
    }

    /// Begins to make a connection.
    fn come(&mut self, place: usize, cx: &mut Context<'_>, around: &Around<'_>) {
        let (Some(elsewhere), Some(node)) = (&mut self.elsewhere, self.spread.node(place)) else {
            return;
        };
        let coming = Rc::new(Coming {
            place,
            database: self.session.database().into(),
            done: RefCell::default(),
            waiting: RefCell::new(Some(cx.waker().clone())),
        });
        elsewhere.there = There::Coming(Rc::clone(&coming));
        elsewhere.missed = 0;
        let mut login = Box::new(around.login.clone());
        login.capabilities = self.session.adjust(login.capabilities);
        let credential = around.credential.clone();
        let (shared, route) = (Arc::clone(&self.shared), Arc::clone(&around.state.route));
        let peer = around.entry.peer();
        let identity = Identity::of(&login.user, peer, &credential).filter(|_| self.may_share());
        spawn(async move {
            let limit = shared.config.connect_timeout;
            if let Some(identity) = identity {
                let guest = Guest {
                    identity: identity.on_replica(&node),
                    fit: Fit::of(&login),
                    dress: Dress::of(&login, &coming.database),
                    login: &login,
                    credential: &credential,
                };
                if let Some((backend, _)) = guest.find(&shared).await {
                    return coming.is_made(Made::Yes(Box::new(backend)));
                }
            }
            let account = || Account {
                login: &login,
                database: &coming.database,
                credential: Some(credential.clone()),
                peer,
            };
            let making = async {
                match connect_to(&shared, (&route, &node), account(), None).await {
                    Attempt::Connected(mut backend, _, _) => {
                        let alike = are_alike(&shared, &mut backend, account()).await;
                        alike.then_some(backend)
                    }
                    Attempt::Failed(why) => {
                        tracing::debug!(why, %node, "no connection to a replica");
                        None
                    }
                    Attempt::Refused(_) | Attempt::ClientGone => None,
                }
            };
            let made = match timeout(limit, Box::pin(making)).await {
                Ok(Some(backend)) => Made::Yes(Box::new(backend)),
                Ok(None) | Err(_) => Made::No,
            };
            coming.is_made(made);
        });
    }

    /// A connection was made, or not.
    fn adopt(&mut self, coming: &Coming, made: Made, around: &Around<'_>) {
        let Some(elsewhere) = &mut self.elsewhere else {
            return;
        };
        elsewhere.there = There::Nowhere;
        match made {
            Made::Yes(backend) => self.stand_on(backend, coming.place, &coming.database, around),
            Made::NotYet | Made::No => self.spread.rest(coming.place),
        }
    }

    /// The session reads over this connection from now on, if it still leads to a replica.
    fn stand_on(
        &mut self,
        mut backend: Box<Backend>,
        place: usize,
        database: &[u8],
        around: &Around<'_>,
    ) {
        let Some(elsewhere) = &mut self.elsewhere else {
            return;
        };
        if !leads_to_a_replica(&backend, self.spread.node(place), around.state) {
            return backend.closes(Closed::Rerouted);
        }
        backend.stream.hand_over();
        let here = (&self.shared, self.lane);
        let account = around.entry.account();
        // One that was another client's is counted already.
        let ticket = || Counted::new(here, account, Side::Replica, Opened::Read);
        backend.ticket.get_or_insert_with(ticket);
        self.session.replica_attached(database);
        elsewhere.there = There::Here(Box::new(Replica {
            backend: *backend,
            outbox: Outbox::default(),
            place,
            waited_for: 0,
        }));
    }

    /// The route has changed: a connection to what is no replica of it any more is cut.
    pub(super) fn cut_stale_replica(&mut self, state: &GateState) {
        let Some(There::Here(replica)) = self.elsewhere.as_deref().map(|it| &it.there) else {
            return;
        };
        let node = self.spread.node(replica.place);
        if !leads_to_a_replica(&replica.backend, node, state) {
            self.lose_replica(Closed::Rerouted);
        }
    }

    /// The connection is of no more use: a read in flight there runs on the primary.
    pub(super) fn lose_replica(&mut self, why: Closed) {
        if let Some(elsewhere) = &mut self.elsewhere
            && let There::Here(mut replica) = std::mem::take(&mut elsewhere.there)
        {
            replica.backend.closes(why);
            self.session.replica_lost();
        }
    }
}

/// True when the connection leads to a server that is a replica in this state of the gate.
fn leads_to_a_replica(backend: &Backend, node: Option<Rc<str>>, state: &GateState) -> bool {
    node.is_some_and(|node| state.leads(&backend.route, Some(&node)))
}
