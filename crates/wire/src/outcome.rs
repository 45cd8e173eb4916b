//! What became of a write that was in flight when its server died: the question a gateway asks and the answer that
//! the new primary's binlog gives. Values only; who looks is in the `mariadb` room.

use serde::{Deserialize, Serialize};

use crate::gtid::Gtid;
use crate::tag::Tag;

/// A write that was sent and not answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its mark; the number 0 stands for any write of the session.
    pub tag: Tag,
    /// A sequence number of domain 0 that lay behind when it was sent; no earlier commit of the session has a greater one.
    pub since: u64,
}

/// What the new primary's history says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is part of it, for good.
    Committed {
        /// As this transaction.
        id: Gtid,
        /// What it did, where the row images tell.
        effect: Option<Effect>,
    },
    /// It is not part of it and never will be.
    NotThere,
    /// Nobody can say, for this reason.
    Unknown(String),
}

/// What one statement did to the one table whose rows it changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Rows inserted.
    pub inserted: u64,
    /// Rows changed.
    pub updated: u64,
    /// Rows deleted.
    pub deleted: u64,
    /// The AUTO_INCREMENT value as an OK packet tells it: 0 when the table has no such column, `None` when it cannot be
    /// told (several rows).
    pub insert_id: Option<u64>,
}
