//! One local SQL address that follows the primary.
//!
//! Clients log in with the database's own accounts; every statement goes to the primary; statements wait
//! while there is none; connections between statements move to the new primary unnoticed.
//! Pure rooms: [`wire`] (bytes), `frontend` and `backend` (logins), `session` (one client's life), `pool` (connections between two clients).
//! IO: `driver`, in the loops of `reactor`, one for each thread of the `crew`, and of the `carrier`'s. `service` and `handle` live in the agent's runtime.

mod account;
mod alike;
mod backend;
mod balance;
mod behind;
mod carrier;
mod config;
mod crew;
mod doors;
mod doorstep;
mod driver;
mod error;
mod explain;
mod fault;
mod freshness;
mod frontend;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod gate;
mod handle;
mod lease;
mod lexicon;
mod limits;
mod listen;
mod manner;
mod metrics;
mod network;
mod outcomes;
mod pool;
mod reactor;
mod registry;
mod replicas;
mod route;
mod secret;
mod service;
mod session;
mod tally;
mod tls;
mod turn;

pub use account::{Accounts, Proof};
pub use behind::Behind;
pub use carrier::Carrier;
pub use config::{Config, Pool};
pub use error::GatewayError;
pub use explain::{Assumed, Explanation, Where, explain};
pub use freshness::Freshness;
pub use handle::{Drained, Handle};
pub use lease::Lease;
pub use lexicon::{Lexicon, Reading};
pub use listen::Inherited;
pub use manner::{OnPrimary, ReadOnly, Spot};
pub use metrics::Stats;
pub use network::Network;
pub use outcomes::Outcomes;
pub use replicas::{Progress, Replicas};
pub use route::{Address, Dial, Leave, Route, Sealed, Target};
pub use service::Gateway;
pub use tally::{AccountFigures, Figures, RouteFigures};
pub use tls::Tls;
