//! The Raft backend over an in-memory network that can be cut and slowed down.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "these are tests")]

mod contract;
mod durable;
mod garbage;
mod idle;
mod leader;
mod members;
mod net;
mod partition;
