//! Replication through the agents: the transport, and the fence. The replica's server connects to a
//! local port of its agent ([`Upstream`]); the primary's agent lets it through to its own server only
//! as admitted ([`Admissions`]). What is cut sends no acknowledgement any more.

mod admissions;
mod hello;
mod links;
mod login;
mod meter;
mod passage;
mod upstream;

pub use admissions::{Admission, AdmissionState, Admissions};
pub use hello::{Hello, Mode};
pub use login::{Finding, LoginWatch};
pub use upstream::{Upstream, UpstreamState, UpstreamTarget};

/// The service name under which tunnels arrive at [`crate::Handler::stream`]; give them to
/// [`Admissions::take`].
pub const SERVICE: &str = "replication";
