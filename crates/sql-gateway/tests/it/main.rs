//! The gateway before real MariaDB servers, with real clients.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on must fail")]
#![expect(clippy::print_stdout, reason = "figures, and what was skipped")]

mod away;
mod balanced;
mod bulk;
mod carry;
mod clients;
mod doubt;
mod encrypted;
mod failover;
mod far;
mod hold;
mod kill;
mod lease;
mod login;
mod measure;
mod pool;
mod raw;
mod refused;
mod reports;
mod scale;
mod sealed;
mod seen;
mod server;
mod session;
mod split;
mod world;
