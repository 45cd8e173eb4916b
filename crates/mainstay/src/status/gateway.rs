//! What the gateway of the asked node has done, for people: one sentence, one line for each of the busiest accounts, and why
//! connections were closed.

use std::collections::BTreeMap;

use sql_gateway::{AccountFigures, Figures, RouteFigures};

use crate::output::Table;

/// More accounts are in `--json` and in the metrics.
const SHOWN: usize = 10;

/// The lines.
pub(super) fn lines(figures: &Figures) -> Vec<String> {
    let servers: u64 = routes(figures).map(|route| route.connections).sum();
    let mut lines = vec![format!(
        "gateway: {}, {servers} connections to servers, {} statements wait, {} sessions were moved",
        clients(figures),
        figures.held,
        figures.moved
    )];
    let mut busiest: Vec<&AccountFigures> = figures.accounts.iter().collect();
    busiest.sort_by_key(|account| {
        std::cmp::Reverse(account.primary.queries + account.replica.queries)
    });
    if !busiest.is_empty() {
        let mut table = Table::new(&[
            "ACCOUNT",
            "CLIENTS",
            "ROUTE",
            "QUERIES",
            "MEAN",
            "FAILED",
            "ERRORS",
            "HELD",
            "REPLAYED",
            "POOL WAITS",
        ]);
        for account in busiest.iter().take(SHOWN) {
            rows(&mut table, account);
        }
        lines.extend(table.lines());
    }
    if let Some(more) = busiest.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.push(format!("{more} more accounts: `mainstay status --json`"));
    }
    for (what, reasons) in [
        ("clients closed", &figures.clients_closed),
        ("connections opened", &figures.connections_opened),
        ("connections closed", &figures.connections_closed),
    ] {
        lines.extend(counted(reasons).map(|counted| format!("{what}: {counted}")));
    }
    lines
}

/// How many, and how many of them came to read only.
fn clients(figures: &Figures) -> String {
    match figures.readers {
        0 => format!("{} clients", figures.clients),
        readers => format!("{} clients ({readers} for reads only)", figures.clients),
    }
}

fn routes(figures: &Figures) -> impl Iterator<Item = &RouteFigures> {
    let accounts = figures.accounts.iter();
    accounts.flat_map(|account| [&account.primary, &account.replica])
}

fn rows(table: &mut Table, account: &AccountFigures) {
    let name = match account.account.as_str() {
        "" => "(others)",
        name => name,
    };
    let waited = |times: u64, ms: u64| match times {
        0 => "0".to_owned(),
        _ => format!("{times} ({})", time(ms as f64)),
    };
    let route = |name: &str, route: &RouteFigures| {
        let mean = route.time_ms as f64 / route.queries.max(1) as f64;
        [
            name.to_owned(),
            route.queries.to_string(),
            time(mean),
            route.failed.to_string(),
        ]
    };
    let mut first = vec![name.to_owned(), account.clients.to_string()];
    first.extend(route("primary", &account.primary));
    first.extend([
        account.errors.to_string(),
        waited(account.held, account.held_ms),
        account.replayed.to_string(),
        waited(account.pool_waits, account.pool_wait_ms),
    ]);
    table.row(first);
    if account.replica != RouteFigures::default() {
        let mut second = vec![String::new(), String::new()];
        second.extend(route("replica", &account.replica));
        table.row(second);
    }
}

fn time(ms: f64) -> String {
    if ms < 1000.0 {
        format!("{ms:.1} ms")
    } else {
        format!("{:.1} s", ms / 1000.0)
    }
}

fn counted(reasons: &BTreeMap<String, u64>) -> Option<String> {
    let some = reasons.iter().filter(|(_, count)| **count > 0);
    let some: Vec<String> = some
        .map(|(reason, count)| format!("{reason} {count}"))
        .collect();
    (!some.is_empty()).then(|| some.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gateway_when_it_has_served_then_accounts_routes_and_reasons_are_told() {
        let figures = Figures {
            clients: 2,
            readers: 1,
            accounts: vec![AccountFigures {
                account: "app".to_owned(),
                clients: 2,
                held: 1,
                held_ms: 1_500,
                primary: RouteFigures {
                    connections: 2,
                    queries: 10,
                    time_ms: 25,
                    failed: 1,
                },
                replica: RouteFigures {
                    queries: 4,
                    ..RouteFigures::default()
                },
                ..AccountFigures::default()
            }],
            clients_closed: [("quit".to_owned(), 4), ("vanished".to_owned(), 0)].into(),
            ..Figures::default()
        };
        assert_eq!(
            lines(&figures),
            [
                "gateway: 2 clients (1 for reads only), 2 connections to servers, 0 statements wait, 0 sessions were moved",
                "ACCOUNT  CLIENTS  ROUTE    QUERIES  MEAN    FAILED  ERRORS  HELD       REPLAYED  POOL WAITS",
                "app      2        primary  10       2.5 ms  1       0       1 (1.5 s)  0         0",
                "                  replica  4        0.0 ms  0",
                "clients closed: quit 4",
            ]
        );
    }
}
