//! Any clients that do anything, one after the other, on connections of a server as it was measured: nobody ever finds what
//! another has left, is somebody else, or is let in by a word of the server that is too old.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use wire::login::Login;

use super::{Dress, Fit, Found, Identity, Limits, Remains, Shelf};
use crate::secret::Credential;

const GOOD_FOR: Duration = Duration::from_secs(1);

/// What a session can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Trace {
    /// Variables, temporary tables, locks, statements: gone with a change of user.
    Ordinary,
    Role,
    FoundRows,
    Seeds,
    Option,
    /// Somebody may know the connection by its id.
    Id,
    /// Set with tracking switched off: nobody knows what it is.
    Hidden,
    /// A KILL that is on its way.
    Kill,
}

const TRACES: [Trace; 8] = [
    Trace::Ordinary,
    Trace::Role,
    Trace::FoundRows,
    Trace::Seeds,
    Trace::Option,
    Trace::Id,
    Trace::Hidden,
    Trace::Kill,
];

/// A connection at the server.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Connection {
    traces: BTreeSet<Trace>,
    user: u8,
    database: u8,
    fit: u8,
    /// The account's version when the server last looked at it.
    version: u64,
}

impl Connection {
    fn change_user(&mut self, database: u8, version: u64) {
        self.traces.remove(&Trace::Ordinary);
        self.database = database;
        self.version = version;
    }

    /// See `cleaning.rs`.
    fn clean(&mut self, database: u8, version: u64) {
        self.traces.remove(&Trace::Role);
        self.traces.remove(&Trace::FoundRows);
        self.change_user(database, version);
    }
}

/// One client: who, where, how, what it does, what it is doing when it goes, and how long until the next.
#[derive(Clone, Debug)]
struct Visit {
    user: u8,
    database: u8,
    fit: u8,
    does: Vec<Trace>,
    in_flight: bool,
    pause: u64,
    /// The account is changed before the next one comes.
    changes: bool,
    /// How many are there before the first of them goes.
    stays: bool,
}

fn visit() -> impl Strategy<Value = Visit> {
    let does = prop::collection::vec(prop::sample::select(TRACES.to_vec()), 0..4);
    let flags = (any::<bool>(), any::<bool>(), any::<bool>());
    (0..2_u8, 0..2_u8, 0..2_u8, does, flags, 0..1500_u64).prop_map(
        |(user, database, fit, does, (in_flight, changes, stays), pause)| Visit {
            user,
            database,
            fit,
            does,
            in_flight,
            pause,
            changes,
            stays,
        },
    )
}

fn identity(visit: &Visit) -> Identity {
    Identity::of(&[visit.user], None, &Credential::Empty).unwrap()
}

fn wear(visit: &Visit) -> (Fit, Dress) {
    let login = Login {
        capabilities: u64::from(visit.fit),
        ..Login::default()
    };
    (Fit::of(&login), Dress::of(&login, &[visit.database]))
}

fn left(visit: &Visit, connection: &Connection) -> Remains {
    let has = |trace| connection.traces.contains(&trace);
    Remains {
        at_rest: !visit.in_flight,
        marked: has(Trace::Seeds) || has(Trace::Hidden),
        options: has(Trace::Option),
        knows_id: has(Trace::Id),
        was_killed: has(Trace::Kill),
    }
}

struct World {
    shelf: Shelf<Connection>,
    now: Instant,
    /// By user: each version and since when it holds.
    versions: [Vec<Instant>; 2],
}

impl World {
    fn version(&self, user: u8) -> u64 {
        self.versions[usize::from(user)].len() as u64
    }

    fn arrive(&mut self, visit: &Visit) -> Connection {
        let version = self.version(visit.user);
        let (fit, dress) = wear(visit);
        let found = self
            .shelf
            .take(&identity(visit), (fit, &dress), false, self.now);
        match found {
            Some(Found::Ready(connection)) => connection,
            Some(Found::ToProve(mut connection)) => {
                connection.change_user(visit.database, version);
                connection
            }
            None => Connection {
                traces: BTreeSet::new(),
                user: visit.user,
                database: visit.database,
                fit: visit.fit,
                version,
            },
        }
    }

    fn check(&self, visit: &Visit, connection: &Connection) {
        assert!(connection.traces.is_empty(), "{connection:?} for {visit:?}");
        let mine = (connection.user, connection.database, connection.fit);
        assert_eq!(mine, (visit.user, visit.database, visit.fit));
        let changes = &self.versions[usize::from(visit.user)];
        if let Some(next) = changes.get(usize::try_from(connection.version).unwrap()) {
            assert!(self.now.duration_since(*next) < GOOD_FOR, "too old a word");
        }
    }

    fn leave(&mut self, visit: &Visit, mut connection: Connection) {
        connection.traces.extend(&visit.does);
        if !left(visit, &connection).may_be_shared() {
            return;
        }
        connection.clean(visit.database, self.version(visit.user));
        let times = (self.now, self.now);
        self.shelf
            .park(identity(visit), wear(visit), connection, times);
    }
}

proptest! {
    #[test]
    fn clients_when_they_follow_each_other_find_nothing_of_each_other(
        visits in prop::collection::vec(visit(), 1..40),
    ) {
        let mut world = World {
            shelf: Shelf::new(Limits {
                idle_time: Duration::from_mins(1),
                per_account: 3,
                good_for: GOOD_FOR,
            }),
            now: Instant::now(),
            versions: [Vec::new(), Vec::new()],
        };
        let mut here: Vec<(Visit, Connection)> = Vec::new();
        for visit in visits {
            let connection = world.arrive(&visit);
            world.check(&visit, &connection);
            if visit.changes {
                let now = world.now;
                world.versions[usize::from(visit.user)].push(now);
            }
            let stays = visit.stays;
            let pause = visit.pause;
            here.push((visit, connection));
            if !stays {
                for (visit, connection) in here.drain(..) {
                    world.leave(&visit, connection);
                }
            }
            world.now += Duration::from_millis(pause);
        }
    }
}
