//! All threads' numbers added up. Read while they go on counting: each is right, together they are of slightly
//! different moments.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::account::Cells;
use super::count::Count;
use super::{Closed, Left, Names, OTHER, Opened, Tally, Via};

/// What a gateway has done since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Figures {
    /// Clients connected now, those that have not logged in among them.
    pub clients: u64,
    /// Those of them that only read.
    pub readers: u64,
    /// Statements and logins that wait for a primary now.
    pub held: u64,
    /// Sessions made again on another connection.
    pub moved: u64,
    /// By account name, those with numbers of their own; then `other`, if it has any.
    pub accounts: Vec<AccountFigures>,
    /// Clients that came, by `tcp` or `unix`.
    pub clients_opened: BTreeMap<String, u64>,
    /// Clients that left, by reason.
    pub clients_closed: BTreeMap<String, u64>,
    /// Connections opened to servers, by reason.
    pub connections_opened: BTreeMap<String, u64>,
    /// Connections to servers that were closed, by reason.
    pub connections_closed: BTreeMap<String, u64>,
}

/// What one account has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AccountFigures {
    /// The user's name; empty for all others together.
    pub account: String,
    /// Clients connected now.
    pub clients: u64,
    /// Errors that the gateway itself gave.
    pub errors: u64,
    /// Statements and logins that waited for a primary, and for how long altogether.
    pub held: u64,
    /// In milliseconds.
    pub held_ms: u64,
    /// Transactions that were run again on another primary.
    pub replayed: u64,
    /// Statements that waited for a connection of the pool, and for how long altogether.
    pub pool_waits: u64,
    /// In milliseconds.
    pub pool_wait_ms: u64,
    /// On the primary.
    pub primary: RouteFigures,
    /// On replicas.
    pub replica: RouteFigures,
}

/// What one account has done on one route.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteFigures {
    /// Connections to servers now.
    pub connections: u64,
    /// Commands answered.
    pub queries: u64,
    /// From sending each to the end of its answer, altogether, in milliseconds.
    pub time_ms: u64,
    /// Commands that the server answered with an error.
    pub failed: u64,
}

impl Figures {
    /// Adds up the threads.
    pub(crate) fn of<'a>(
        names: &Names,
        tallies: &(impl Iterator<Item = &'a Tally> + Clone),
    ) -> Self {
        let cells = |number: u16| {
            let all = tallies.clone();
            all.map(move |tally| &tally.accounts[usize::from(number)])
        };
        let mut accounts: Vec<AccountFigures> = names
            .all()
            .into_iter()
            .map(|(name, number)| account(name, &cells(number)))
            .collect();
        let other = account(String::new(), &cells(OTHER));
        if other != AccountFigures::default() {
            accounts.push(other);
        }
        let by_reason = |names: Vec<&str>, of: fn(&Tally) -> &[Count]| {
            let sum = |at: usize| tallies.clone().map(|tally| of(tally)[at].get()).sum();
            let named = names.into_iter().enumerate();
            named
                .map(|(at, name)| (name.to_owned(), sum(at)))
                .collect::<BTreeMap<String, u64>>()
        };
        Self {
            clients: accounts.iter().map(|account| account.clients).sum(),
            readers: 0,
            held: 0,
            moved: 0,
            accounts,
            clients_opened: by_reason(Via::ALL.iter().map(|via| via.name()).collect(), |tally| {
                &tally.came
            }),
            clients_closed: by_reason(
                Left::ALL.iter().map(|left| left.name()).collect(),
                |tally| &tally.left,
            ),
            connections_opened: by_reason(
                Opened::ALL.iter().map(|why| why.name()).collect(),
                |tally| &tally.opened,
            ),
            connections_closed: by_reason(
                Closed::ALL.iter().map(|why| why.name()).collect(),
                |tally| &tally.closed,
            ),
        }
    }
}

fn account<'a>(name: String, cells: &(impl Iterator<Item = &'a Cells> + Clone)) -> AccountFigures {
    let sum = |of: fn(&Cells) -> &Count| cells.clone().map(|cells| of(cells).get()).sum::<u64>();
    let route = |at: usize| {
        let routes = cells.clone().map(move |cells| &cells.routes[at]);
        let mut figures = RouteFigures::default();
        let mut micros = 0;
        for route in routes {
            figures.connections += route.connections.get();
            figures.queries += route.answered.get();
            figures.failed += route.failed.get();
            micros += route.micros.get();
        }
        figures.time_ms = micros / 1000;
        figures
    };
    AccountFigures {
        account: name,
        clients: sum(|cells| &cells.clients),
        errors: sum(|cells| &cells.errors),
        held: sum(|cells| &cells.held),
        held_ms: sum(|cells| &cells.held_micros) / 1000,
        replayed: sum(|cells| &cells.replayed),
        pool_waits: sum(|cells| &cells.pool_waits),
        pool_wait_ms: sum(|cells| &cells.pool_micros) / 1000,
        primary: route(0),
        replica: route(1),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::session::{Side, Toll};

    #[test]
    fn figures_when_two_threads_count_for_one_account_then_they_are_added_up() {
        let (names, tallies) = (Names::default(), [Tally::default(), Tally::default()]);
        let app = names.of("app");
        let toll = |side, answered| Toll {
            answered,
            failed: [0, 1],
            replayed: 1,
            side,
        };
        let millis = Duration::from_millis;
        tallies[0].answered(app, &toll(Side::Primary, [2, 0]), millis(3));
        tallies[1].answered(app, &toll(Side::Replica, [0, 5]), millis(1));
        tallies[1].held(app, 2_500);
        tallies[1].waited_for_pool(app, 4_000);
        tallies[0].refused(OTHER, 1);
        tallies[0].turned_away(Via::Tcp, Left::TooMany);
        let figures = Figures::of(&names, &tallies.iter());
        let [app, other] = figures.accounts.as_slice() else {
            panic!("{figures:?}")
        };
        assert_eq!((app.primary.queries, app.primary.time_ms), (2, 3));
        assert_eq!((app.replica.queries, app.replica.failed), (5, 2));
        assert_eq!((app.held, app.held_ms, app.replayed), (1, 2, 2));
        assert_eq!((app.pool_waits, app.pool_wait_ms), (1, 4));
        assert_eq!((other.account.as_str(), other.errors), ("", 1));
        assert_eq!(figures.clients_closed["too-many"], 1);
        assert_eq!(figures.clients_opened["tcp"], 1);
    }
}
