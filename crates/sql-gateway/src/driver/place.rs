//! A connection to the primary for a client: one that waits, or a new one, within what its account may have.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::watch;
use wire::reply::ErrPacket;

use super::arrive::attempt;
use super::connect::{Account, Attempt, Backend};
use super::packets::Packets;
use super::spare::{Guest, evict};
use crate::fault::Fault;
use crate::gate::GateState;
use crate::pool::{Dress, Fit, Identity, Place, Slot, Ticket};
use crate::reactor::timeout_at;
use crate::registry::Entry;
use crate::route::Route;
use crate::secret::Credential;
use crate::service::Shared;

/// What a client that needs a connection looks at.
pub(super) struct Search<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) gate: &'a watch::Receiver<GateState>,
    pub(super) route: &'a Arc<Route>,
    /// Whose it will be.
    pub(super) entry: &'a Entry,
}

impl Search<'_> {
    /// As [`attempt`], with a connection that waits for a client like this one if there is one. The fault: all that the
    /// account may have were in use for too long.
    pub(super) async fn connection(
        &self,
        account: Account<'_>,
        mut client: Option<&mut Packets<'_>>,
    ) -> Result<Attempt, Fault> {
        if self.entry.manner.reads_only {
            return Ok(self.to_read(account, client).await);
        }
        let guest = self.guest(&account);
        let slot = match self.place(guest.as_ref(), &account.login.user).await? {
            Free::Spare(backend, ok) => {
                self.shared.counters.reused.fetch_add(1, Ordering::Relaxed);
                let credential = account.credential.unwrap_or(Credential::PassedThrough);
                return Ok(Attempt::Connected(backend, ok, credential));
            }
            Free::Slot(slot) => slot,
        };
        let asker = client.as_deref_mut();
        let mut made = attempt(self.shared, self.gate, self.route, again(&account), asker).await;
        // Why: those that wait take places that the server, or the account, has too few of.
        let refused = matches!(&made, Attempt::Refused(err) if is_crowded(err));
        if refused && evict(self.shared, &account.login.user) {
            made = attempt(self.shared, self.gate, self.route, account, client).await;
        }
        if let Attempt::Connected(backend, ..) = &mut made {
            backend.slot = Some(slot);
        }
        Ok(made)
    }

    /// The client as the pool sees it, if connections may be given on to it.
    fn guest<'a>(&self, account: &'a Account<'_>) -> Option<Guest<'a>> {
        let user = String::from_utf8_lossy(&account.login.user);
        let credential = account.credential.as_ref()?;
        // Why: which account a login came to, these must be asked each time.
        let is_ordinary = self.shared.accounts.too_strong(&user).is_empty();
        if !self.shared.config.pool.enabled || !is_ordinary {
            return None;
        }
        Some(Guest {
            identity: Identity::of(&account.login.user, account.peer, credential)?,
            fit: Fit::of(account.login),
            dress: Dress::of(account.login, account.database),
            login: account.login,
            credential,
        })
    }

    async fn place(&self, guest: Option<&Guest<'_>>, user: &[u8]) -> Result<Free, Fault> {
        let started = Instant::now();
        let mut ticket: Option<Ticket> = None;
        loop {
            let is_next = ticket.is_some() || !self.shared.quotas.has_waiters(user);
            if let (true, Some(guest)) = (is_next, guest)
                && let Some((backend, ok)) = guest.find(self.shared).await
            {
                return Ok(Free::Spare(backend, ok));
            }
            let mut place = match &mut ticket {
                None => self.shared.quotas.ask(user, self.entry.lane),
                Some(ticket) => {
                    // It was called, and what it was called for is gone.
                    ticket.again();
                    self.make_room(user);
                    self.turn(ticket, started).await?
                }
            };
            if let Place::Wait(mut waits) = place {
                self.shared.counters.queued.fetch_add(1, Ordering::Relaxed);
                self.make_room(user);
                place = self.turn(&mut waits, started).await?;
                ticket = Some(waits);
            }
            if let Place::Slot(slot) = place {
                return Ok(Free::Slot(slot));
            }
        }
    }

    async fn turn(&self, ticket: &mut Ticket, started: Instant) -> Result<Place, Fault> {
        let pool = &self.shared.config.pool;
        let turn = timeout_at(started + pool.queue_max, ticket.turn()).await;
        let waited = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let tally = self.shared.tally(self.entry);
        tally.waited_for_pool(self.entry.account(), waited);
        turn.map_err(|_| Fault::NoneFree {
            user: ticket.user(),
            limit: pool.per_account,
            waited: started.elapsed(),
        })
    }

    /// Connections of the account that wait, here in vain or on other threads, are worth less than their places.
    fn make_room(&self, user: &[u8]) {
        for (number, lane) in self.shared.lanes.iter().enumerate() {
            if number == self.entry.lane {
                evict(self.shared, user);
                continue;
            }
            let (shared, user) = (Arc::clone(self.shared), user.to_vec());
            lane.visit(move || {
                evict(&shared, &user);
            });
        }
    }
}

/// What a client may have.
enum Free {
    Spare(Backend, Vec<u8>),
    Slot(Slot),
}

fn again<'a>(account: &Account<'a>) -> Account<'a> {
    Account {
        login: account.login,
        database: account.database,
        credential: account.credential.clone(),
        peer: account.peer,
    }
}

/// Too many connections: of the server, of one account, of an account in an hour.
fn is_crowded(err: &[u8]) -> bool {
    ErrPacket::parse(err).is_some_and(|err| matches!(err.code, 1040 | 1203 | 1226))
}
