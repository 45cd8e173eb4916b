//! A gateway's figures as metrics. How many lines there are does not depend on what clients do: accounts are bounded
//! where they are counted, routes and reasons are fixed.

use std::collections::BTreeMap;

use sql_gateway::{AccountFigures, Figures, RouteFigures};

use super::{Page, seconds};

/// All of them.
pub(super) fn write(page: &mut Page, figures: &Figures) {
    page.gauge(
        "mainstay_gateway_held",
        "Statements and logins that wait for a primary now.",
    )
    .value(&[], figures.held as f64);
    page.gauge(
        "mainstay_gateway_readers",
        "Clients connected now at addresses for reads only.",
    )
    .value(&[], figures.readers as f64);
    page.counter(
        "mainstay_gateway_moved_total",
        "Sessions made again on another connection.",
    )
    .value(&[], figures.moved as f64);
    by_account(page, &figures.accounts);
    by_route(page, &figures.accounts);
    by_reason(page, figures);
}

fn name(figures: &AccountFigures) -> &str {
    match figures.account.as_str() {
        "" => "other",
        name => name,
    }
}

type OfAccount = fn(&AccountFigures) -> f64;

fn by_account(page: &mut Page, accounts: &[AccountFigures]) {
    let all = |page: &mut Page, of: OfAccount| {
        for figures in accounts {
            page.value(&[("account", name(figures))], of(figures));
        }
    };
    page.gauge("mainstay_gateway_clients", "Clients connected now.");
    all(page, |account| account.clients as f64);
    for (name, about, of) in [
        (
            "mainstay_gateway_errors_total",
            "Errors that the gateway itself gave to clients.",
            (|account| account.errors as f64) as OfAccount,
        ),
        (
            "mainstay_gateway_held_total",
            "Statements and logins that waited for a primary.",
            |account| account.held as f64,
        ),
        (
            "mainstay_gateway_held_seconds_total",
            "How long they waited.",
            |account| seconds(account.held_ms),
        ),
        (
            "mainstay_gateway_replayed_total",
            "Transactions that were run again on another primary.",
            |account| account.replayed as f64,
        ),
        (
            "mainstay_gateway_pool_waits_total",
            "Statements that waited for a connection of the pool.",
            |account| account.pool_waits as f64,
        ),
        (
            "mainstay_gateway_pool_wait_seconds_total",
            "How long they waited.",
            |account| seconds(account.pool_wait_ms),
        ),
    ] {
        page.counter(name, about);
        all(page, of);
    }
}

type OfRoute = fn(&RouteFigures) -> f64;

fn by_route(page: &mut Page, accounts: &[AccountFigures]) {
    let all = |page: &mut Page, of: OfRoute| {
        for figures in accounts {
            let account = ("account", name(figures));
            page.value(&[account, ("route", "primary")], of(&figures.primary));
            page.value(&[account, ("route", "replica")], of(&figures.replica));
        }
    };
    page.gauge(
        "mainstay_gateway_connections",
        "Connections to servers now.",
    );
    all(page, |route| route.connections as f64);
    for (name, about, of) in [
        (
            "mainstay_gateway_queries_total",
            "Commands answered by servers.",
            (|route| route.queries as f64) as OfRoute,
        ),
        (
            "mainstay_gateway_query_seconds_total",
            "From sending each to the end of its answer.",
            |route| seconds(route.time_ms),
        ),
        (
            "mainstay_gateway_failed_queries_total",
            "Commands that a server answered with an error.",
            |route| route.failed as f64,
        ),
    ] {
        page.counter(name, about);
        all(page, of);
    }
}

fn by_reason(page: &mut Page, figures: &Figures) {
    let mut all = |name, about, label, counts: &BTreeMap<String, u64>| {
        page.counter(name, about);
        for (reason, count) in counts {
            page.value(&[(label, reason)], *count as f64);
        }
    };
    all(
        "mainstay_gateway_clients_opened_total",
        "Clients that came.",
        "by",
        &figures.clients_opened,
    );
    all(
        "mainstay_gateway_clients_closed_total",
        "Clients that left.",
        "reason",
        &figures.clients_closed,
    );
    all(
        "mainstay_gateway_connections_opened_total",
        "Connections opened to servers.",
        "reason",
        &figures.connections_opened,
    );
    all(
        "mainstay_gateway_connections_closed_total",
        "Connections to servers that were closed.",
        "reason",
        &figures.connections_closed,
    );
}
