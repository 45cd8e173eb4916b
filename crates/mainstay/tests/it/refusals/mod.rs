//! Bad input, as a person meets it: the built program says what happened, why and what to do, ends with
//! the contract's code, shows no secret and no backtrace, and has changed nothing on disk.
//! The list is docs/reference/refusals.md.

mod bench;
mod config;
mod database;
mod digest;
mod identity;
mod ledger;
mod ports;
mod start;
mod state;
mod token;
