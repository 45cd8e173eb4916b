//! Connections of this thread that wait for their next client: cleaned when one goes, handed to one that comes.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use wire::flags;
use wire::login::Login;
use wire::native;

use super::client::Client;
use super::connect::Backend;
use super::packets::Packets;
use crate::pool::{
    Cleaning, Dress, Entrance, Fit, Found, Identity, Limits, Progress, Shelf, Stale,
};
use crate::reactor::{Socket, now, sleep, spawn, timeout};
use crate::secret::Credential;
use crate::service::Shared;
use crate::tally::Closed;

/// The server's word about an account is good for so long. What changes is noticed within this time and a round trip.
const GOOD_FOR: Duration = Duration::from_millis(900);
/// Connections that wait are looked at so often.
const ROUND: Duration = Duration::from_millis(200);

/// A connection between two clients, and the server's OK to its last login.
struct Spare {
    backend: Backend,
    ok: Vec<u8>,
    /// With which it is logged in again.
    credential: Credential,
    _counted: Counted,
}

/// One connection that waits.
struct Counted(Arc<Shared>);

impl Counted {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.counters.spare.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(shared))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.counters.spare.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Here {
    shelf: Shelf<Spare>,
    is_tended: bool,
    /// Connections that the server is being asked about.
    busy: usize,
}

thread_local! {
    static HERE: RefCell<Option<Here>> = const { RefCell::new(None) };
}

/// What this thread has.
fn here<T>(shared: &Shared, look: impl FnOnce(&mut Here) -> T) -> T {
    HERE.with_borrow_mut(|here| {
        let here = here.get_or_insert_with(|| {
            let pool = &shared.config.pool;
            Here {
                shelf: Shelf::new(Limits {
                    idle_time: pool.idle_time,
                    per_account: pool.idle_max.div_ceil(shared.lanes.len()),
                    good_for: GOOD_FOR,
                }),
                is_tended: false,
                busy: 0,
            }
        });
        look(here)
    })
}

/// A client of the pool: who it is, and what its connection must be.
pub(super) struct Guest<'a> {
    pub(super) identity: Identity,
    pub(super) fit: Fit,
    pub(super) dress: Dress,
    pub(super) login: &'a Login,
    pub(super) credential: &'a Credential,
}

impl Guest<'_> {
    fn entrance(&self) -> Entrance<'_> {
        Entrance {
            user: &self.login.user,
            credential: self.credential,
            dress: &self.dress,
            tracks: self.identity.replica().is_none(),
        }
    }

    /// One that needs nothing, if there is one.
    pub(super) fn find_ready(&self, shared: &Shared) -> Option<Backend> {
        loop {
            let found = here(shared, |here| {
                let wears = (self.fit, &self.dress);
                here.shelf.take(&self.identity, wears, true, now())
            });
            let (Found::Ready(mut spare) | Found::ToProve(mut spare)) = found?;
            if self.is_of_use(shared, &mut spare) {
                spare.backend.closes(Closed::ClientLeft);
                return Some(spare.backend);
            }
        }
    }

    /// Why also asked: the loop may not have heard yet that the server has ended it.
    fn is_of_use(&self, shared: &Shared, spare: &mut Spare) -> bool {
        let backend = &mut spare.backend;
        let leads = shared.gate.leads(&backend.route, self.identity.replica());
        leads && backend.stream.is_quiet()
    }

    fn marks_ends(&self) -> bool {
        self.login.capabilities & flags::DEPRECATE_EOF == 0
    }

    /// A connection for it that waits here, logged in as it; with the server's OK to that.
    pub(super) async fn find(&self, shared: &Shared) -> Option<(Backend, Vec<u8>)> {
        loop {
            let found = here(shared, |here| {
                let wears = (self.fit, &self.dress);
                here.shelf
                    .take(&self.identity, wears, false, Instant::now())
            });
            let (mut spare, is_ready) = match found? {
                Found::Ready(spare) => (spare, true),
                Found::ToProve(spare) => (spare, false),
            };
            if !self.is_of_use(shared, &mut spare) {
                continue;
            }
            spare.backend.closes(Closed::ClientLeft);
            if is_ready {
                return Some((spare.backend, spare.ok));
            }
            let mut out = Vec::new();
            let cleaning = Cleaning::before_client(self.marks_ends(), self.entrance(), &mut out);
            let limit = shared.config.connect_timeout;
            let told = tell(&mut spare.backend.stream, cleaning, &out);
            match timeout(limit, told).await {
                Ok(Progress::Done(ok)) => return Some((spare.backend, ok)),
                Ok(Progress::Refused) => self.is_refused(shared),
                _ => {}
            }
        }
    }

    /// The server does not let it in any more: nor by those that wait.
    fn is_refused(&self, shared: &Shared) {
        drop(here(shared, |here| here.shelf.clear(&self.identity)));
        let user = String::from_utf8_lossy(&self.login.user);
        shared.accounts.stale(&user);
    }
}

/// Says this and hears the answers.
async fn tell(stream: &mut Socket, mut cleaning: Cleaning, out: &[u8]) -> Progress {
    if stream.write_all(out).await.is_err() {
        return Progress::Unfit;
    }
    let mut answers = Packets::new(stream, 1);
    loop {
        let Ok(payload) = answers.read().await else {
            return Progress::Unfit;
        };
        match cleaning.packet(&payload) {
            Progress::More => {}
            Progress::Next => answers.sequence = 1,
            Progress::Say(bytes) => {
                answers.sequence = answers.sequence.wrapping_add(1);
                if answers.send(&bytes).await.is_err() {
                    return Progress::Unfit;
                }
            }
            Progress::Done(_) if answers.has_more() => return Progress::Unfit,
            said => return said,
        }
    }
}

/// Takes down one connection of this user that waits here: its place is needed.
pub(super) fn evict(shared: &Shared, user: &[u8]) -> bool {
    here(shared, |here| here.shelf.evict(user)).is_some()
}

/// Connections that wait here and are of no use: too old, of another primary, ended, of an account that has changed.
pub(crate) fn sweep(shared: &Shared) {
    let now = Instant::now();
    let gone = here(shared, |here| {
        here.shelf.sweep(now, |who, spare| {
            if !shared.gate.leads(&spare.backend.route, who.replica()) {
                spare.backend.closes(Closed::Rerouted);
                return false;
            }
            // Why: who waits on another thread would wait in vain for what lies here.
            let is_awaited = who.replica().is_none() && shared.quotas.has_waiters(who.user());
            is_known(shared, who) && !is_awaited
        })
    });
    drop(gone);
}

fn is_known(shared: &Shared, who: &Identity) -> bool {
    let user = String::from_utf8_lossy(who.user());
    let proofs = shared.accounts.proofs(&user);
    let mut native = proofs.iter().filter(|proof| proof.plugin == native::PLUGIN);
    native.any(|proof| who.has_password(proof.native_hash))
        && shared.accounts.too_strong(&user).is_empty()
}

/// Asks the server about a connection's account before its word is too old.
async fn ask_again(
    (shared, lane): (Arc<Shared>, usize),
    identity: Identity,
    mut stale: Stale<Spare>,
) {
    let (spare, dress) = stale.parts();
    let entrance = Entrance {
        user: identity.user(),
        credential: &spare.credential,
        dress,
        tracks: identity.replica().is_none(),
    };
    let mut out = Vec::new();
    // Where the end of columns is told does not matter: there are none.
    let cleaning = Cleaning::before_client(false, entrance, &mut out);
    let (proven, limit) = (Instant::now(), shared.config.connect_timeout);
    let told = timeout(limit, tell(&mut spare.backend.stream, cleaning, &out)).await;
    let gone = match told {
        Ok(Progress::Done(ok)) if may_wait(&shared, lane, &identity, &spare.backend) => {
            spare.ok = ok;
            here(&shared, |here| {
                here.shelf.park_again(identity, stale, proven)
            })
            .into_iter()
            .collect()
        }
        Ok(Progress::Refused) => {
            shared
                .accounts
                .stale(&String::from_utf8_lossy(identity.user()));
            here(&shared, |here| here.shelf.clear(&identity))
        }
        _ => Vec::new(),
    };
    drop(gone);
    here(&shared, |here| here.busy -= 1);
}

/// Looks after what waits here, as long as something does.
async fn tend(shared: Arc<Shared>, lane: usize) {
    loop {
        sleep(ROUND).await;
        sweep(&shared);
        let aging = here(&shared, |here| {
            let aging = here.shelf.aging(Instant::now());
            here.busy += aging.len();
            aging
        });
        for (identity, stale) in aging {
            spawn(ask_again((Arc::clone(&shared), lane), identity, stale));
        }
        let is_over = here(&shared, |here| {
            here.is_tended = here.busy > 0 || !here.shelf.is_empty();
            !here.is_tended
        });
        if is_over {
            return;
        }
    }
}

/// True when it has a place among those that wait: it leads where it should, and nobody waits for its place in the account.
fn may_wait(shared: &Shared, lane: usize, identity: &Identity, backend: &Backend) -> bool {
    let replica = identity.replica();
    shared.gate.leads(&backend.route, replica)
        && (replica.is_some() || shared.quotas.offer(identity.user(), lane))
}

impl Client {
    /// The client has gone, or becomes somebody else: its connections to servers are cleaned for the next, if they can be.
    pub(super) fn give_back(&mut self) {
        let replica = self.link.take_replica(&self.entry);
        let primary = self.link.backend.take();
        if primary.is_some() {
            // Why first: who sends a KILL from now on does not find it here.
            self.entry.set_server(0);
        }
        if self.entry.manner.reads_only || (primary.is_none() && replica.is_none()) {
            return;
        }
        let may_be_shared = self
            .link
            .session
            .left(self.entry.was_ever_killed())
            .may_be_shared();
        let user = String::from_utf8_lossy(&self.login.user).into_owned();
        let known = std::mem::replace(&mut self.credential, Credential::PassedThrough);
        self.credential = super::arrive::settle(&self.shared, &user, known);
        let identity = Identity::of(&self.login.user, self.entry.peer(), &self.credential);
        let is_whole = self.link.is_at_rest();
        let primary = primary.map(|backend| (backend, None));
        let replica = replica.map(|(backend, node)| (backend, Some(node)));
        for (mut backend, node) in primary.into_iter().chain(replica) {
            if !may_be_shared {
                backend.closes(Closed::Unclean);
            }
            if let Some(identity) = identity.clone()
                && self.shared.config.pool.enabled
                && may_be_shared
                && (is_whole || node.is_some())
                && backend.stream.is_quiet()
            {
                let identity = match node {
                    Some(node) => identity.on_replica(&node),
                    None => identity,
                };
                self.clean(backend, identity);
            }
        }
    }

    /// Cleans one of its connections, and lets it wait for the next client.
    fn clean(&self, mut backend: Backend, identity: Identity) {
        let guest = Guest {
            identity,
            fit: Fit::of(&self.login),
            dress: Dress::of(&self.login, &self.login.database),
            login: &self.login,
            credential: &self.credential,
        };
        let mut out = Vec::new();
        let cleaning = Cleaning::after_client(guest.marks_ends(), guest.entrance(), &mut out);
        let Guest {
            identity,
            fit,
            dress,
            ..
        } = guest;
        let credential = self.credential.clone();
        let (shared, lane) = (Arc::clone(&self.shared), self.entry.lane);
        spawn(async move {
            let proven = Instant::now();
            let limit = shared.config.connect_timeout;
            let told = tell(&mut backend.stream, cleaning, &out);
            let Ok(Progress::Done(ok)) = timeout(limit, told).await else {
                return;
            };
            backend.tracks = identity.replica().is_none();
            backend.closes(Closed::Unused);
            if may_wait(&shared, lane, &identity, &backend) {
                let spare = Spare {
                    backend,
                    ok,
                    credential,
                    _counted: Counted::new(&shared),
                };
                put((&shared, lane), identity, (fit, dress), (spare, proven));
            }
        });
    }
}

fn put(
    (shared, lane): (&Arc<Shared>, usize),
    identity: Identity,
    wears: (Fit, Dress),
    (spare, proven): (Spare, Instant),
) {
    let (untended, too_many) = here(shared, |here| {
        let times = (proven, Instant::now());
        let too_many = here.shelf.park(identity, wears, spare, times);
        (!std::mem::replace(&mut here.is_tended, true), too_many)
    });
    drop(too_many);
    if untended {
        spawn(tend(Arc::clone(shared), lane));
    }
}
