//! What a cluster is and what to do next. Pure: no async, no clock, no IO, ordered maps only.
//!
//! ```text
//!   View (what this node believes) ──▶ decide ──▶ Decision { actions, reason }
//!     ▲                                               │
//!     └── Memory::performed(action, outcome) ◀── somebody carries them out
//! ```
//!
//! The keeper, the model check, the simulator and the tables of tests all run this very code. Start
//! with `view.rs`, then `decide/mod.rs`. The rules are those of `docs/reference/protocol.md`.

mod action;
mod containment;
pub mod decide;
mod document;
mod id;
mod memory;
mod reason;
mod report;
mod role;
mod server;
mod timing;
mod view;

pub use action::{Action, EndOf, Intent, Outcome, StartAs};
pub use containment::{Containment, contained};
pub use decide::{Decision, decide};
pub use document::{Change, ChangeKind, Cut, Document, Durability, Member, MemberKind, Stamp};
pub use id::{BootId, DataId, Epoch, Millis, NodeName, NotAName, NotAnId, Rev};
pub use memory::{Grow, Handover, Memory, Promise, Shrink, Tenure};
pub use reason::{Loss, Reason, Suspicion};
pub use report::{Gate, Report};
pub use role::{Role, Standing, standing};
pub use server::{Applying, Health, Mode, Receiving, Running, Server, Source};
pub use timing::Timing;
pub use view::{Admission, Mark, Peer, View, Wish};
pub use wire::gtid::{Gtid, Position};
