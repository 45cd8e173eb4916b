//! How verbs talk to the agent on the same server: a Unix socket in DATA_DIR that only its owner may
//! open, one line of JSON each way, with a version.

mod client;
mod message;
mod server;

pub(crate) use client::{ask, watch_interval};
pub(crate) use message::{
    Changed, Expected, Explained, Followed, Following, Issued, Process, Question, Reply, Request,
};
pub(crate) use server::{Server, Service};
