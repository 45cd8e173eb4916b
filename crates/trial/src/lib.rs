//! Puts a cluster on trial: starts it, loads it, breaks it, checks its history.
//!
//! ```text
//!   Builder -> Cluster --inject(node, Fault)--> processes and cables
//!                 |
//!              gateways -> Load -> History --\
//!                 |                           +-> judge -> Verdict
//!              databases -> Image (per node) /
//! ```
//!
//! `mainstay demo` uses it on loopback addresses; crate `e2e` in network namespaces.
//! It knows the product only by its contract: the program's verbs and `status --json`.

mod check;
mod clock;
mod cluster;
mod disk;
mod error;
mod fault;
mod interrupt;
mod layout;
mod load;
mod namespace;
mod node;
mod one_way;
mod power;
mod process;
mod reach;
mod rehearsal;
mod session;
mod settings;
mod status;
mod terminate;
mod upgrade;
mod weather;

pub use check::{
    Anomaly, Consistency, Cycle, CycleClass, Database, Image, Limits, Shape, Verdict, Violation,
    check_transactions, examine, judge,
};
pub use cluster::{Builder, Cluster};
pub use disk::Holds;
pub use error::Error;
pub use fault::{Fault, Injected};
pub use interrupt::end_on_interrupt;
pub use layout::{Layout, Place};
pub use load::{
    Account, Action, Class, Element, Gap, Gateway, History, Key, Kind, Live, Load, Operation,
    Outcome, Plan, SCHEMA, Step, Transaction, prepare,
};
pub use node::Node;
pub use session::Session;
pub use status::{Change, DatabaseStatus, Ledger, NodeStatus, Status};
pub use weather::Weather;

/// What everything here that can fail returns.
pub type Result<T> = std::result::Result<T, Error>;
