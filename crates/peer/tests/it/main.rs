//! The crate as other crates see it, over real TLS on loopback, and the tunnels with real servers.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by a panic, and a measurement is printed"
)]

mod abuse;
mod bench;
mod call;
mod identity;
mod join;
mod parser;
mod server;
mod stream;
mod support;
mod tunnel;
