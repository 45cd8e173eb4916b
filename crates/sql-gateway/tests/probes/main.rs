//! Probes: small scripts run against a server directly and through the gateway before it; every answer must be
//! the same, packet by packet. `scripts/*.probe` and the modules say what is done; `book` lists all of it.
//!
//! `PROBES=part` runs only those whose name has `part` in it and shows what differs.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
#![expect(clippy::print_stdout, reason = "the table of results")]

mod answer;
mod book;
mod commands;
mod conn;
mod drift;
mod drift_script;
mod known;
mod large;
mod logins;
mod prepared;
mod run;
mod script;
#[path = "../it/sealed.rs"]
mod sealed;
#[expect(
    dead_code,
    reason = "shared with the other tests, not all of it is needed here"
)]
#[path = "../it/server.rs"]
mod server;
mod stage;
mod stand;
mod tracking;
mod value;
#[expect(
    dead_code,
    reason = "shared with the other tests, not all of it is needed here"
)]
#[path = "../it/world.rs"]
mod world;
