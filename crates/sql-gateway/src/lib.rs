//! One local SQL address that follows the primary.
//!
//! Clients log in with the database's own accounts; every statement goes to the primary; statements wait
//! while there is none; connections between statements move to the new primary unnoticed.
//! Pure rooms: [`wire`] (bytes), `frontend` and `backend` (logins), `session` (one client's life).
//! Only `driver` and `service` do IO, on tokio; another event loop can take their place.

mod account;
mod config;
mod error;
mod handle;
mod metrics;
mod route;
mod service;

pub use account::{Accounts, Proof};
pub use config::Config;
pub use error::GatewayError;
pub use handle::{Drained, Handle};
pub use metrics::Stats;
pub use route::{Dial, Route, Stream, Target};
pub use service::Gateway;
