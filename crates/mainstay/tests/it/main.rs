//! The program as people and scripts meet it: whole commands with exit code, standard output and
//! standard error, and one life of a node with a real MariaDB.

#![expect(
    clippy::unwrap_used,
    reason = "a test fails by a panic, its helpers too"
)]

mod commands;
mod documents;
mod handover;
mod life;
mod program;
mod refusals;
