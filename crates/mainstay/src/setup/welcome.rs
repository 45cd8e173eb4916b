//! What travels besides the certificate when a node joins: its application, and what it is given.
//! Version 1; unknown fields are passed over.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Introduced;

/// What a joiner says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Application {
    /// Of this message.
    pub(crate) version: u32,
    /// Its peer port, `ADDRESS:PORT`.
    pub(crate) address: String,
    /// The program's version, for the log.
    pub(crate) program: String,
}

/// What it is given. Holds secrets.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Welcome {
    /// Of this message.
    pub(crate) version: u32,
    /// The cluster's name.
    pub(crate) cluster: String,
    /// The joiner's number.
    pub(crate) number: u32,
    /// With which replicas connect.
    pub(crate) replication_password: Option<String>,
    /// The authority, so that this node can let others in; not for a witness.
    pub(crate) authority: Option<peer::AuthorityCopy>,
    /// The other nodes.
    pub(crate) members: Vec<Introduced>,
}

/// The version of both.
pub(crate) const VERSION: u32 = 1;

impl fmt::Debug for Welcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Welcome(number {} of {})", self.number, self.cluster)
    }
}
