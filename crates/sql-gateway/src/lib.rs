//! One local SQL address that follows the primary.
//!
//! Clients log in with the database's own accounts; every statement goes to the primary; statements wait
//! while there is none; connections between statements move to the new primary unnoticed.
//! Pure rooms: [`wire`] (bytes), `frontend` and `backend` (logins), `session` (one client's life).
//! Only `driver`, `listen` and `service` do IO, on tokio; another event loop can take their place.

mod account;
mod backend;
mod behind;
mod config;
mod doorstep;
mod driver;
mod error;
mod fault;
mod frontend;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gate;
mod handle;
mod lease;
mod listen;
mod metrics;
mod outcomes;
mod registry;
mod route;
mod secret;
mod service;
mod session;

pub use account::{Accounts, Proof};
pub use behind::Behind;
pub use config::Config;
pub use error::GatewayError;
pub use handle::{Drained, Handle};
pub use lease::Lease;
pub use metrics::Stats;
pub use outcomes::Outcomes;
pub use route::{Dial, Route, Stream, Target};
pub use service::Gateway;
