//! The loop: observe, decide, act; publishes the view.
//!
//! ```text
//!   peers' reports ─┐                       ┌─▶ MariaDB, tunnels, ledger, state file   (actor)
//!   server's status ┼─▶ view ─▶ decide ─▶ actions
//!   ledger's watch ─┘    │      (cluster)
//!                        └─▶ Picture on a watch channel ─▶ gateways, status, heartbeats (gossip)
//! ```
//!
//! It decides nothing itself: `cluster::decide` does. Start with `keeper.rs`; what others ask of it
//! is in `handle.rs`; bytes between nodes and on disk are in `format.rs` and `state.rs`.

mod actor;
mod board;
mod clone;
mod drain;
mod error;
mod format;
mod found;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gossip;
mod handle;
mod health;
mod journal;
mod keeper;
mod lag;
mod observe;
mod own_writes;
mod parts;
mod picture;
mod rehearsal;
mod request;
mod scribe;
mod shared;
mod signal;
mod slot;
mod state;
mod store;
mod tail;
mod upkeep;
mod watched;

pub use drain::Drain;
pub use error::{Error, Result};
pub use format::{Extras, decode_document, encode_document};
pub use found::found;
pub use handle::{Changed, Handle};
pub use journal::Remark;
pub use keeper::Keeper;
pub use parts::Parts;
pub use picture::{CloneProgress, Picture};
pub use state::State;
pub use store::TAG;

/// The service under which keepers call each other.
pub const SERVICE: &str = "keeper";
/// The service under which a node streams a copy of its data.
pub const CLONE_SERVICE: &str = "clone";
