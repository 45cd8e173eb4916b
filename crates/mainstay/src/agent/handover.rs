//! A new program takes over from this one: `mainstay upgrade`.
//!
//! ```text
//!   old process                                 heir: `run --take-over=now`, its standard input is the line
//!   starts it ───────────────────────────────▶  reads configuration and papers
//!                                    ◀────────  prepared
//!   ends keeper, ledger, tunnels, peer port
//!   go, with lock and listening sockets ─────▶  is the agent now: ledger, keeper, gateway
//!                                    ◀────────  serving
//!   accepts no more; its connections go on for `gateway.linger`, by what the agent tells over its control socket
//! ```
//! `line.rs` what is said · `give.rs` the old process' side · `take.rs` the heir's · `remain.rs` what is left of the old
//! one · `quiet.rs` nothing is being written · `followers.rs` what the agent knows of such old processes. Why so: decision 15.

mod followers;
mod give;
mod line;
mod quiet;
mod remain;
mod take;

pub(super) use followers::Followers;
pub(super) use give::Heir;
pub(super) use quiet::quiet;
pub(super) use remain::{freeze, remain};
pub(crate) use take::{Seat, Step, launch};
