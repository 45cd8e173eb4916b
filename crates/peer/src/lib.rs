//! Agent to agent, over one port: mutual TLS under the cluster's own authority, join tokens, calls,
//! byte streams, and the replication tunnels that are both transport and fence.
//!
//! ```text
//!   identity   authority  applicant ── token, token_store, join ──> a new node gets its certificate
//!   endpoint   call ──> lane (pooled connections)     open ──> stream
//!   listener   gate (who may be unauthenticated) ──> session ──> Handler: call | stream | join
//!   tunnel     replica: Upstream (a local port) ──> primary: Admissions (the allow-list) ──> MariaDB
//! ```
//! Start reading at `endpoint.rs`. What a node *is* for the cluster is not decided here. What calls and
//! connections cost is measured by `cargo run --release -p peer --example cost`.

mod authority;
mod certificate;
mod detached;
mod endpoint;
mod error;
mod file;
mod frame;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gate;
mod handler;
mod identity;
mod join;
mod join_message;
mod lane;
mod listener;
mod name;
mod pipe;
mod registry;
mod session;
mod socket;
mod stream;
mod throttle;
mod tls;
mod token;
mod token_store;
pub mod tunnel;

pub use authority::{Authority, AuthorityCopy};
pub use detached::{Detached, Hold};
pub use endpoint::{Config, Endpoint};
pub use error::{Error, Result};
pub use frame::MAX_FRAME;
pub use handler::{Handler, Incoming, JoinOffer, Refusal};
pub use identity::{Applicant, Identity};
pub use join::{JoinDesk, join};
pub use join_message::{JoinAnswer, JoinRequest};
pub use listener::Listener;
pub use name::check_node_name;
pub use stream::Stream;
pub use token::{Kind, Secret, Token};
pub use token_store::TokenStore;
