//! The client's side of a login, without IO: what we greet with, what the client's answer means.

mod greeter;

pub(crate) use greeter::{Arrival, Encryption, Greeter, Who};
