//! One thread's event loop: tasks, sockets and timers that never leave it. No lock, no queue and no other thread lies
//! between bytes that have come and the task that waits for them.
//!
//! `turn.rs` the loop · `core.rs` what tasks reach of it · `socket.rs` non-blocking streams, `source.rs` what the kernel said of them, `connect.rs` making them,
//! `listener.rs` accepting them · `tls.rs` encrypted ones · `zipped.rs` the compressed protocol, `renumber.rs` its packets'
//! numbers · `timer.rs` waiting for a time, `clock.rs` a cheap one · `inbox.rs` calls from other threads · `slots.rs` places
//! with numbers. Futures of tokio's channels work here; its sockets and timers do not.

mod clock;
mod connect;
mod core;
mod inbox;
mod listener;
mod renumber;
mod slots;
mod socket;
mod source;
mod timer;
mod tls;
mod turn;
mod zipped;

pub(crate) use clock::now;
pub(crate) use core::{spawn, wake_all};
pub(crate) use inbox::Inbox;
pub(crate) use listener::Acceptor;
pub(crate) use socket::Socket;
pub(crate) use timer::{Sleep, sleep, sleep_until, timeout, timeout_at};
pub(crate) use turn::Reactor;

#[cfg(feature = "fuzzing")]
pub(crate) use zipped::unzip;

#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;
