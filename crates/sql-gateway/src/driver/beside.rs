//! How a session comes by its connection to a replica, and how it parts with it: one that another client has left, or a new
//! one; given to others, cut, or lost.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};

use super::connect::{Account, Attempt, Backend, connect_to};
use super::elsewhere::{Replica, There};
use super::link::{Around, Link};
use super::outbox::Outbox;
use super::settings::are_alike;
use super::spare::Guest;
use crate::gate::GateState;
use crate::pool::{Dress, Fit, Identity};
use crate::reactor::{spawn, timeout};
use crate::registry::Entry;
use crate::session::Side;
use crate::tally::{Closed, Opened, Ticket as Counted};

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
    pub(super) waiting: RefCell<Option<Waker>>,
}

impl Coming {
    fn is_made(&self, made: Made) {
        self.done.replace(made);
        if let Some(waiting) = self.waiting.take() {
            waiting.wake();
        }
    }
}

impl Link {
    /// Takes the connection that has been made, if one has.
    pub(super) fn arrive(&mut self, cx: &Context<'_>, around: &Around<'_>) {
        if let Some(There::Coming(coming)) = self.elsewhere.as_deref().map(|it| &it.there)
            && let done = coming.done.take()
            && !matches!(done, Made::NotYet)
        {
            let coming = Rc::clone(coming);
            around.entry.set_waker(cx.waker());
            self.adopt(&coming, done, around);
        }
    }

    /// Takes a connection that another client has left, if one lies ready.
    pub(super) fn take_parked(&mut self, place: usize, around: &Around<'_>) -> bool {
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
    pub(super) fn come(&mut self, place: usize, cx: &mut Context<'_>, around: &Around<'_>) {
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
