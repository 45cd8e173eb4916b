//! The crate as other crates see it, over real TLS on loopback, and the tunnels with real servers.

mod abuse;
mod call;
mod cost;
mod identity;
mod join;
mod parser;
mod server;
mod stream;
mod support;
mod tunnel;
