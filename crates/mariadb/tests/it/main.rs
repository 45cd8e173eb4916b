//! Real MariaDB servers on loopback, each in a directory of its own. One binary for the whole crate.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "clippy knows tests by their attribute, not the functions they call"
)]

mod accounts;
mod catalog;
mod clone;
mod control;
mod disk;
mod drift;
mod entangled;
mod events;
mod fixture;
mod health;
mod kept;
mod load;
mod mount;
mod notes;
mod outcome;
mod process;
mod pulse;
mod recovery;
mod replication;
mod role;
mod salvage;
mod sql;
mod status;
mod tail;
