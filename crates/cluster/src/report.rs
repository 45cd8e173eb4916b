//! What a node tells the others of itself, several times a second.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{Document, Epoch, Mark, Millis, NodeName, Promise, Role, Server, Stamp};

/// A node's own words.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Report {
    /// Its boot and data directory now.
    pub stamp: Stamp,
    /// Its durable mark.
    pub mark: Mark,
    /// Its server.
    pub server: Server,
    /// The newest document it has seen committed.
    pub document: Option<Document>,
    /// It is the primary by the ledger and its server cannot serve.
    pub steps_down: bool,
    /// It is the primary of this epoch, confirmed, and its server takes writes.
    pub serving: Option<Epoch>,
    /// It is the primary of this epoch, confirmed since it woke.
    pub confirmed: Option<Epoch>,
    /// The replica with which it is about to grow an empty set: that one is asked to be sync.
    pub growing: Option<NodeName>,
    /// Gateways are asked to hold in this epoch, for a switchover.
    pub holding: Option<Epoch>,
    /// What its own gateway does.
    pub gate: Gate,
    /// Its word not to receive from the primary again.
    pub promise: Option<Promise>,
    /// How long ago it heard each other node.
    pub hears: BTreeMap<NodeName, Millis>,
    /// What it is, and what it is becoming, for people.
    pub role: Role,
    /// See `role`.
    pub becoming: Option<Role>,
}

/// A node's gateway.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Gate {
    /// The node runs one.
    pub present: bool,
    /// It holds new transactions in this epoch.
    pub holding: Option<Epoch>,
    /// Transactions and statements still open through it.
    pub open: u32,
}
