//! Keepers with real servers and real connections on loopback, over a register in memory.

#![expect(
    clippy::unwrap_used,
    reason = "clippy knows tests by their attribute, not the functions they call"
)]

mod entangled;
mod future;
mod node;
mod register;
mod story;
mod tail;
