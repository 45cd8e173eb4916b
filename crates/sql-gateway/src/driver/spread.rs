//! What the sessions of one thread share of reads on replicas: how busy which server is, how far the primary and the
//! replicas are, and who asks. Nothing of it is seen by another thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use wire::gtid::{Gtid, Position};

use super::asker::Asker;
use crate::balance::{Load, WORTH_THE_WAY, choose};
use crate::config::Config;
use crate::freshness::{Freshness, Horizon, Need, Reach, Ticket};
use crate::route::Route;
use crate::session::Surprises;

/// A replica that was late, or could not be reached, gets no reads for so long.
const REST: Duration = Duration::from_secs(1);
/// One that was late gets none for so long, unless it is known to have what was waited for.
const LONGEST_REST: Duration = Duration::from_secs(5);

thread_local! {
    static HERE: Rc<Spread> = Rc::default();
}

/// Where a statement of a session is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Runs {
    /// Nowhere.
    #[default]
    Nowhere,
    /// On the primary.
    Primary,
    /// On the replica with this place.
    Replica(usize),
}

/// One for each thread.
#[derive(Default)]
pub(super) struct Spread {
    pub(super) surprises: RefCell<Surprises>,
    pub(super) horizon: RefCell<Horizon>,
    /// Who asks the primary how far it is.
    pub(super) asker: RefCell<Option<Rc<Asker>>>,
    /// Reads that wait for its answer.
    waiting: RefCell<Vec<Waker>>,
    failures: Cell<u32>,
    primary: Cell<usize>,
    /// Some replica may be read from, as far as is told.
    has_replicas: Cell<bool>,
    /// Whose turn it is among equals.
    turn: Cell<usize>,
    board: RefCell<Board>,
}

/// The replicas. Their places stay the same for the thread's life.
#[derive(Default)]
struct Board {
    stamp: (u64, u64),
    places: Vec<Place>,
}

struct Place {
    node: Rc<str>,
    running: usize,
    lag: Option<Duration>,
    reach: Reach,
    rests: Option<Rest>,
}

/// Until when a replica gets no reads.
struct Rest {
    since: Instant,
    /// What it did not have.
    missing: Position,
}

impl Rest {
    /// Why not by time alone: where the applier stands still each try would cost a client the whole wait.
    fn is_over(&self, now: Instant, reach: &Reach) -> bool {
        let time = now.saturating_duration_since(self.since);
        time >= LONGEST_REST || time >= REST && reach.covers(&self.missing)
    }
}

impl Place {
    fn load(&mut self) -> Load {
        if let Some(rest) = &self.rests
            && rest.is_over(Instant::now(), &self.reach)
        {
            self.rests = None;
        }
        Load {
            running: self.running,
            lag: self.lag.filter(|_| self.rests.is_none()),
        }
    }
}

impl Spread {
    /// This thread's.
    pub(super) fn here() -> Rc<Self> {
        HERE.with(Rc::clone)
    }

    /// A statement is sent.
    pub(super) fn begins(&self, runs: Runs) {
        self.count(runs, 1);
    }

    /// It has ended, or its connection has.
    pub(super) fn ended(&self, runs: Runs) {
        self.count(runs, usize::MAX);
    }

    fn count(&self, runs: Runs, by: usize) {
        match runs {
            Runs::Nowhere => {}
            Runs::Primary => self.primary.set(self.primary.get().wrapping_add(by)),
            Runs::Replica(place) => {
                if let Some(place) = self.board.borrow_mut().places.get_mut(place) {
                    place.running = place.running.wrapping_add(by);
                }
            }
        }
    }

    /// Takes over what is told of the route's replicas, if that has changed.
    #[inline]
    pub(super) fn refresh(&self, route: &Route) {
        let stamp = route.replicas.stamp();
        if self.board.borrow().stamp != stamp {
            self.take_over(route, stamp);
        }
    }

    #[cold]
    fn take_over(&self, route: &Route, stamp: (u64, u64)) {
        let mut board = self.board.borrow_mut();
        board.stamp = stamp;
        for place in &mut board.places {
            place.lag = None;
        }
        let progress = route.replicas.progress();
        for (node, progress) in route.replicas.names().iter().zip(&*progress) {
            let known = board.places.iter().position(|place| *place.node == **node);
            let at = known.unwrap_or_else(|| {
                board.places.push(Place {
                    node: node.as_str().into(),
                    running: 0,
                    lag: None,
                    reach: Reach::default(),
                    rests: None,
                });
                board.places.len() - 1
            });
            let place = &mut board.places[at];
            place.lag = progress.lag;
            place.reach.told(&progress.reached);
        }
        let may = board.places.iter().any(|place| place.lag.is_some());
        self.has_replicas.set(may);
    }

    /// True when the next read goes to the primary, whatever it is: little runs there, or there is nowhere else to go.
    #[inline]
    pub(super) fn is_idle(&self, route: &Route, config: &Config) -> bool {
        if self.primary.get() <= WORTH_THE_WAY && !config.prefer_replicas {
            return true;
        }
        self.refresh(route);
        !self.has_replicas.get()
    }

    /// The place of the replica for the next read of a session without one.
    pub(super) fn choose(&self, config: &Config) -> Option<usize> {
        let mut board = self.board.borrow_mut();
        choose(
            self.busy(config),
            board.places.iter_mut().map(Place::load),
            config.lag_max,
        )
    }

    /// How busy the primary is taken to be.
    fn busy(&self, config: &Config) -> usize {
        if config.prefer_replicas {
            usize::MAX
        } else {
            self.primary.get()
        }
    }

    /// The same for a session with a connection to this one.
    pub(super) fn prefers(&self, place: usize, config: &Config) -> bool {
        let mut board = self.board.borrow_mut();
        let load = board.places.get_mut(place).map(Place::load);
        choose(self.busy(config), load.into_iter(), config.lag_max).is_some()
    }

    /// The least busy replica that is not further behind than this; of equals each in turn.
    pub(super) fn nearest(&self, lag_max: Duration) -> Option<usize> {
        let turn = self.turn.get();
        self.turn.set(turn.wrapping_add(1));
        let board = self.board.borrow();
        let near = |place: &Place| place.lag.is_some_and(|lag| lag <= lag_max);
        let all = board.places.iter().enumerate();
        let count = board.places.len().max(1);
        all.filter(|(_, place)| near(place))
            .min_by_key(|(at, place)| (place.running, at.wrapping_add(turn) % count))
            .map(|(at, _)| at)
    }

    /// True when this replica is not further behind.
    pub(super) fn is_near(&self, place: usize, lag_max: Duration) -> bool {
        let board = self.board.borrow();
        let lag = board.places.get(place).and_then(|place| place.lag);
        lag.is_some_and(|lag| lag <= lag_max)
    }

    pub(super) fn node(&self, place: usize) -> Option<Rc<str>> {
        let board = self.board.borrow();
        board.places.get(place).map(|place| Rc::clone(&place.node))
    }

    /// It could not be reached: it gets no reads for a while.
    pub(super) fn rest(&self, place: usize) {
        self.rest_without(place, Position::empty());
    }

    /// A read waited there in vain for what the primary has, or for what its own session `wrote`.
    pub(super) fn late(&self, place: usize, wrote: Option<Gtid>) {
        let horizon = self.horizon.borrow();
        let mut missing = horizon.last().clone();
        if let Some(gtid) = wrote {
            missing.advance(gtid);
        }
        drop(horizon);
        self.rest_without(place, missing);
    }

    fn rest_without(&self, place: usize, missing: Position) {
        if let Some(place) = self.board.borrow_mut().places.get_mut(place) {
            let since = Instant::now();
            place.rests = Some(Rest { since, missing });
        }
    }

    /// What a read on this replica needs.
    pub(super) fn need(
        &self,
        (freshness, ticket): (Freshness, Ticket),
        wrote: Option<Gtid>,
        place: usize,
        limit: Duration,
    ) -> Need {
        let mut board = self.board.borrow_mut();
        let Some(place) = board.places.get_mut(place) else {
            return Need::Primary;
        };
        let horizon = self.horizon.borrow();
        freshness.need((&horizon, ticket), wrote, &mut place.reach, limit)
    }

    /// A read that waited there for the answer to this question was answered.
    pub(super) fn reached(&self, place: usize, question: u64) {
        if let Some(place) = self.board.borrow_mut().places.get_mut(place) {
            place.reach.heard(&self.horizon.borrow(), question);
        }
    }

    /// How often an answer did not come.
    pub(super) fn failures(&self) -> u32 {
        self.failures.get()
    }

    /// This read waits for the next answer.
    pub(super) fn wait(&self, waker: &Waker) {
        self.waiting.borrow_mut().push(waker.clone());
    }

    /// An answer has come.
    pub(super) fn answered(&self) {
        // They are polled later: nobody waits anew meanwhile.
        self.waiting.borrow_mut().drain(..).for_each(Waker::wake);
    }

    /// None will come: those who wait go to the primary.
    pub(super) fn failed(&self) {
        self.horizon.borrow_mut().lose();
        self.failures.set(self.failures.get().wrapping_add(1));
        self.answered();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_that_was_late_when_it_has_what_it_missed_or_after_long_is_tried_again() {
        let at = |text: &str| text.parse::<Position>().unwrap();
        let since = Instant::now();
        let rest = Rest {
            since,
            missing: at("0-1-7"),
        };
        for (milliseconds, reached, is_over) in [
            (999, "0-1-9", false),
            (1_000, "0-1-6", false),
            (1_000, "0-1-7", true),
            (4_999, "", false),
            (5_000, "", true),
        ] {
            let now = since + Duration::from_millis(milliseconds);
            let mut reach = Reach::default();
            reach.told(&at(reached));
            let found = rest.is_over(now, &reach);
            assert_eq!(found, is_over, "{milliseconds} {reached}");
        }
        let rest = Rest {
            since,
            missing: Position::empty(),
        };
        assert!(rest.is_over(since + REST, &Reach::default()));
    }

    #[test]
    fn a_replica_when_a_read_waited_there_in_vain_rests_until_it_has_what_both_asked_for() {
        let spread = Spread::default();
        spread.board.borrow_mut().places.push(Place {
            node: "b".into(),
            running: 0,
            lag: Some(Duration::ZERO),
            reach: Reach::default(),
            rests: None,
        });
        let config = Config {
            prefer_replicas: true,
            ..Config::default()
        };
        assert!(spread.prefers(0, &config));
        let question = spread.horizon.borrow_mut().ask(1);
        let mut horizon = spread.horizon.borrow_mut();
        horizon.answer(question, 1, b"0-1-7").unwrap();
        drop(horizon);
        spread.late(0, "0-1-9".parse().ok());
        assert!(!spread.prefers(0, &config));
        let board = spread.board.borrow();
        let rest = board.places[0].rests.as_ref().unwrap();
        assert_eq!(rest.missing.sequence(0), 9);
    }
}
