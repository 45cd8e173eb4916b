//! The compare-and-swap register that membership is decided in.
//!
//! [`Register`] is what the keeper codes against; a backend is one implementation of it. Here lives
//! the embedded Raft backend ([`Raft`]); a bucket or etcd backend is another file beside `raft/`
//! that passes the checks in `contract`. Start reading at `register.rs`.

#[cfg(feature = "contract")]
pub mod contract;
mod error;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
mod raft;
mod reach;
mod record;
mod register;

pub use error::Error;
pub use raft::{Change, Identity, LOOK_THREAD, Raft, Timing, Transport, Voter};
pub use reach::Reach;
pub use record::{BODY_LIMIT, Record};
pub use register::{Register, Swap};

/// What fallible calls of this crate return.
pub type Result<T, E = Error> = std::result::Result<T, E>;
