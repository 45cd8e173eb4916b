//! The IO: sockets of one thread's loop around the pure rooms.
//!
//! `client.rs` one client's task · `arrive.rs` its login, `change.rs` the login as somebody else, `door.rs` where it came in · `connect.rs` a connection to the primary, `far.rs`
//! to another node's server · `place.rs` one that waits or a new one, `spare.rs` those that wait, `away.rs` clients without one · `wait.rs` waiting for one · `link.rs` bytes both ways, `link/server.rs` the server's, `usual.rs` what happens most · `outbox.rs` bytes that did not fit · `scratch.rs` the thread's buffer. ·
//! `ahead.rs` what a client sends · `elsewhere.rs` a session's reads on a replica, `there.rs` what it answers, `settings.rs` whether it is set as the primary is, `spread.rs` what the thread knows of replicas, `asker.rs` how far the primary is, `one_row.rs` and `one_text.rs` answers to the gateway itself. ·
//! `reader.rs` clients that only read · `carry.rs` other nodes' connections to this node's server.

mod ahead;
mod arrive;
mod asker;
mod away;
mod beside;
mod carry;
mod change;
mod client;
mod connect;
mod door;
mod doubt;
mod elsewhere;
mod far;
mod link;
mod one_row;
mod one_text;
mod outbox;
mod packets;
mod place;
mod reader;
mod scratch;
mod settings;
mod spare;
mod spread;
mod strong;
mod there;
mod usual;
mod wait;

pub(crate) use away::wake_idle;
pub(crate) use carry::carry;
pub(crate) use client::serve;
pub(crate) use spare::sweep;
