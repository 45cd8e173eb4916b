//! The IO: tokio streams around the pure rooms. Everything here can be replaced by another event loop.
//!
//! `client.rs` one client's task · `arrive.rs` its login · `connect.rs` a connection to the primary · `wait.rs` waiting
//! for one · `link.rs` bytes both ways · `outbox.rs` bytes that did not fit · `scratch.rs` the thread's buffer.

mod arrive;
mod client;
mod connect;
mod doubt;
mod link;
mod outbox;
mod packets;
mod scratch;
mod strong;
mod wait;

pub(crate) use client::serve;
