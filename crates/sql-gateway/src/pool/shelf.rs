//! Connections of one thread that wait for their next client. What was used last is taken first, so that the rest grows
//! old and ends.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::identity::{Dress, Fit, Identity};

/// How long they may wait, and how many of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// A connection that waits longer is ended.
    pub(crate) idle_time: Duration,
    /// Connections that wait for clients of one account.
    pub(crate) per_account: usize,
    /// How long the server's word about an account is good: after that it is asked again before the connection is used.
    pub(crate) good_for: Duration,
}

/// A connection on the shelf.
#[derive(Debug)]
struct Parked<T> {
    connection: T,
    fit: Fit,
    /// What it was logged in with last.
    dress: Dress,
    /// When the server was asked about the account last; what was changed later it may not know.
    proven: Instant,
    since: Instant,
}

/// A connection that is taken down for a moment.
#[derive(Debug)]
pub(crate) struct Stale<T>(Parked<T>);

impl<T> Stale<T> {
    /// The connection, and what it was logged in with.
    pub(crate) fn parts(&mut self) -> (&mut T, &Dress) {
        (&mut self.0.connection, &self.0.dress)
    }
}

/// A connection for a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<T> {
    /// As after the client's own login.
    Ready(T),
    /// The server must log the client in on it.
    ToProve(T),
}

/// The shelf.
#[derive(Debug)]
pub(crate) struct Shelf<T> {
    limits: Limits,
    parked: HashMap<Identity, Vec<Parked<T>>>,
}

impl<T> Shelf<T> {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            parked: HashMap::new(),
        }
    }

    /// Puts a clean connection there, logged in with `dress` by a login that was sent at `proven`. Gives back what has no
    /// place: the one that has waited longest.
    pub(crate) fn park(
        &mut self,
        identity: Identity,
        (fit, dress): (Fit, Dress),
        connection: T,
        (proven, now): (Instant, Instant),
    ) -> Option<T> {
        if self.limits.per_account == 0 {
            return Some(connection);
        }
        let parked = self.parked.entry(identity).or_default();
        let oldest = (parked.len() >= self.limits.per_account).then(|| parked.remove(0));
        parked.push(Parked {
            connection,
            fit,
            dress,
            proven,
            since: now,
        });
        oldest.map(|parked| parked.connection)
    }

    /// A connection for a client, if there is one that fits: rather one that needs nothing, and with `only_ready` no other.
    pub(crate) fn take(
        &mut self,
        identity: &Identity,
        (fit, dress): (Fit, &Dress),
        only_ready: bool,
        now: Instant,
    ) -> Option<Found<T>> {
        let parked = self.parked.get_mut(identity)?;
        let good_for = self.limits.good_for;
        let fits = |parked: &Parked<T>| parked.fit == fit;
        let is_ready = |parked: &Parked<T>| {
            parked.dress == *dress && now.saturating_duration_since(parked.proven) < good_for
        };
        let ready = parked.iter().rposition(|one| fits(one) && is_ready(one));
        let any = || parked.iter().rposition(|one| fits(one) && !only_ready);
        let at = ready.or_else(any)?;
        let found = parked.remove(at).connection;
        if parked.is_empty() {
            self.parked.remove(identity);
        }
        Some(match ready {
            Some(_) => Found::Ready(found),
            None => Found::ToProve(found),
        })
    }

    /// Takes down those that have waited too long, and those for which `keep` says no.
    pub(crate) fn sweep(
        &mut self,
        now: Instant,
        mut keep: impl FnMut(&Identity, &mut T) -> bool,
    ) -> Vec<T> {
        let limit = self.limits.idle_time;
        let mut gone = Vec::new();
        self.parked.retain(|identity, parked| {
            let mut kept = Vec::with_capacity(parked.len());
            for mut one in parked.drain(..) {
                let is_old = now.saturating_duration_since(one.since) >= limit;
                if is_old || !keep(identity, &mut one.connection) {
                    gone.push(one.connection);
                } else {
                    kept.push(one);
                }
            }
            *parked = kept;
            !parked.is_empty()
        });
        gone
    }

    /// Takes down, for each identity, the one that is used next, if the server was asked about it longer than half its time
    /// ago: to ask again, and to put it back by [`Self::park_again`]. So a client that comes seldom need not wait for that.
    pub(crate) fn aging(&mut self, now: Instant) -> Vec<(Identity, Stale<T>)> {
        let limit = self.limits.good_for / 2;
        let mut aging = Vec::new();
        for (identity, parked) in &mut self.parked {
            let is_aging =
                |parked: &Parked<T>| now.saturating_duration_since(parked.proven) >= limit;
            if let Some(last) = parked.pop_if(|last| is_aging(last)) {
                aging.push((identity.clone(), Stale(last)));
            }
        }
        self.parked.retain(|_, parked| !parked.is_empty());
        aging
    }

    /// Puts back what [`Self::aging`] took, asked about again at `proven`. Gives it back when it has no place.
    pub(crate) fn park_again(
        &mut self,
        identity: Identity,
        Stale(mut parked): Stale<T>,
        proven: Instant,
    ) -> Option<T> {
        let all = self.parked.entry(identity).or_default();
        if all.len() >= self.limits.per_account {
            return Some(parked.connection);
        }
        parked.proven = proven;
        all.push(parked);
        None
    }

    /// Takes down all of one identity.
    pub(crate) fn clear(&mut self, identity: &Identity) -> Vec<T> {
        let parked = self.parked.remove(identity).unwrap_or_default();
        parked.into_iter().map(|parked| parked.connection).collect()
    }

    /// Takes down the one of this user that has waited longest for the primary.
    pub(crate) fn evict(&mut self, user: &[u8]) -> Option<T> {
        let of_user = self.parked.iter();
        let of_user = of_user.filter(|(who, _)| who.user() == user && who.replica().is_none());
        let (identity, _) =
            of_user.min_by_key(|(_, parked)| parked.first().map(|parked| parked.since))?;
        let identity = identity.clone();
        let parked = self.parked.get_mut(&identity)?;
        let oldest = parked.remove(0);
        if parked.is_empty() {
            self.parked.remove(&identity);
        }
        Some(oldest.connection)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parked.is_empty()
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.parked.values().map(Vec::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Credential;
    use wire::login::Login;

    const LIMITS: Limits = Limits {
        idle_time: Duration::from_mins(1),
        per_account: 2,
        good_for: Duration::from_secs(1),
    };

    fn who(user: &str) -> Identity {
        Identity::of(user.as_bytes(), None, &Credential::Empty).unwrap()
    }

    fn login(capabilities: u64) -> Login {
        Login {
            capabilities,
            ..Login::default()
        }
    }

    fn wear(capabilities: u64, database: &str) -> (Fit, Dress) {
        let login = login(capabilities);
        (Fit::of(&login), Dress::of(&login, database.as_bytes()))
    }

    #[test]
    fn connection_when_dress_and_time_are_right_is_ready_else_it_is_to_be_proven() {
        let (mut shelf, now) = (Shelf::new(LIMITS), Instant::now());
        let (fit, dress) = wear(1, "shop");
        let (_, other) = wear(1, "blog");
        for (asked, later, found) in [
            (&dress, 0, Found::Ready('a')),
            (&other, 0, Found::ToProve('a')),
            (&dress, 1000, Found::ToProve('a')),
            (&dress, 999, Found::Ready('a')),
        ] {
            let parked = shelf.park(who("app"), (fit, dress.clone()), 'a', (now, now));
            assert_eq!(parked, None);
            let at = now + Duration::from_millis(later);
            assert_eq!(
                shelf.take(&who("app"), (fit, asked), false, at),
                Some(found)
            );
            assert!(shelf.is_empty());
        }
    }

    #[test]
    fn connection_when_it_is_anothers_or_talks_otherwise_is_not_found() {
        let (mut shelf, now) = (Shelf::new(LIMITS), Instant::now());
        let (fit, dress) = wear(1, "");
        shelf.park(who("app"), (fit, dress.clone()), 'a', (now, now));
        assert_eq!(shelf.take(&who("other"), (fit, &dress), false, now), None);
        assert_eq!(
            shelf.take(&who("app"), (wear(2, "").0, &dress), false, now),
            None
        );
        assert_eq!(shelf.len(), 1);
    }

    #[test]
    fn shelf_when_it_is_full_gives_up_the_oldest_and_takes_the_newest_first() {
        let (mut shelf, now) = (Shelf::new(LIMITS), Instant::now());
        let (fit, dress) = wear(1, "");
        let put = |shelf: &mut Shelf<char>, name| {
            shelf.park(who("app"), (fit, dress.clone()), name, (now, now))
        };
        assert_eq!(put(&mut shelf, 'a'), None);
        assert_eq!(put(&mut shelf, 'b'), None);
        assert_eq!(put(&mut shelf, 'c'), Some('a'));
        let taken = shelf.take(&who("app"), (fit, &dress), false, now);
        assert_eq!(taken, Some(Found::Ready('c')));
        assert_eq!(shelf.evict(b"other"), None);
        assert_eq!(shelf.evict(b"app"), Some('b'));
        assert!(shelf.is_empty());
    }

    #[test]
    fn connection_to_a_replica_is_nobodys_place_on_the_primary() {
        let (mut shelf, now) = (Shelf::new(LIMITS), Instant::now());
        let (fit, dress) = wear(1, "");
        let there = who("app").on_replica("b");
        shelf.park(there.clone(), (fit, dress.clone()), 'r', (now, now));
        assert_eq!(shelf.evict(b"app"), None);
        for other in [who("app"), who("app").on_replica("c")] {
            assert_eq!(shelf.take(&other, (fit, &dress), false, now), None);
        }
        let later = now + LIMITS.good_for;
        assert_eq!(shelf.take(&there, (fit, &dress), true, later), None);
        let found = shelf.take(&there, (fit, &dress), false, later);
        assert_eq!(found, Some(Found::ToProve('r')));
    }

    #[test]
    fn connection_when_its_time_is_half_over_is_asked_about_and_ready_again() {
        let (mut shelf, now) = (Shelf::new(LIMITS), Instant::now());
        let (fit, dress) = wear(1, "");
        shelf.park(who("app"), (fit, dress.clone()), 'a', (now, now));
        shelf.park(who("app"), (fit, dress.clone()), 'b', (now, now));
        assert!(shelf.aging(now + Duration::from_millis(499)).is_empty());
        let later = now + Duration::from_millis(500);
        let mut aging = shelf.aging(later);
        let (identity, mut stale) = aging.pop().unwrap();
        assert!(aging.is_empty() && identity == who("app"));
        assert_eq!(stale.parts(), (&mut 'b', &dress));
        assert_eq!(shelf.park_again(identity, stale, later), None);
        let end = later + Duration::from_millis(999);
        let taken = shelf.take(&who("app"), (fit, &dress), false, end);
        assert_eq!(taken, Some(Found::Ready('b')));
        let taken = shelf.take(&who("app"), (fit, &dress), false, end);
        assert_eq!(taken, Some(Found::ToProve('a')));
    }

    #[test]
    fn connections_when_old_or_unwanted_are_swept() {
        let (mut shelf, now) = (Shelf::new(LIMITS), Instant::now());
        let (fit, dress) = wear(1, "");
        let old = now.checked_sub(LIMITS.idle_time).unwrap();
        shelf.park(who("app"), (fit, dress.clone()), 'a', (old, old));
        shelf.park(who("app"), (fit, dress.clone()), 'b', (now, now));
        shelf.park(who("other"), (fit, dress.clone()), 'c', (now, now));
        assert_eq!(shelf.sweep(now, |_, _| true), ['a']);
        assert_eq!(shelf.sweep(now, |who, _| who.user() == b"app"), ['c']);
        assert_eq!(shelf.clear(&who("app")), ['b']);
        assert!(shelf.is_empty());
    }
}
