//! Connections to the primary that outlive their client, without IO: whose they may be next, what is said to a server
//! before that, and how many of them an account may have.
//!
//! `identity.rs` for whom a connection is good · `remains.rs` what a client leaves behind · `cleaning.rs` what is said in
//! between · `shelf.rs` connections that wait for a client · `quota.rs` clients that wait for a connection.

mod cleaning;
mod identity;

mod quota;
mod remains;
mod shelf;

pub(crate) use cleaning::{Cleaning, Entrance, Progress};
pub(crate) use identity::{Dress, Fit, Identity};
pub(crate) use quota::{Place, Quotas, Slot, Ticket};
pub(crate) use remains::{Remains, may_show_id};
pub(crate) use shelf::{Found, Limits, Shelf, Stale};

#[cfg(test)]
mod leak_tests;
