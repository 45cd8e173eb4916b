//! What a replica says when its tunnel is opened: for which epoch, how, and with which data. The
//! primary admits exactly these; nothing is interpreted.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Longer ids than this are refused.
const MAX_ID: usize = 128;

/// How a replica is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Its acknowledgements count.
    Sync,
    /// It must not acknowledge.
    Async,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sync => "sync",
            Self::Async => "async",
        })
    }
}

/// A replica's word about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hello {
    /// The epoch it takes the primary to be in.
    pub epoch: u64,
    /// How it means to connect.
    pub mode: Mode,
    /// Its kernel boot id.
    pub boot: String,
    /// The id of its data directory.
    pub data: String,
}

impl Hello {
    pub(crate) fn parse(header: serde_json::Value) -> Result<Self, String> {
        let hello: Self = serde_json::from_value(header)
            .map_err(|error| format!("the tunnel's first message cannot be read: {error}"))?;
        if hello.boot.len() > MAX_ID || hello.data.len() > MAX_ID {
            return Err("a boot or data id is too long".to_owned());
        }
        Ok(hello)
    }

    /// Why this is not what is admitted; `None` when it is.
    pub(super) fn differs_from(&self, admitted: &Self) -> Option<String> {
        let told = |what: &str, one: &dyn fmt::Display, other: &dyn fmt::Display| {
            Some(format!("{what} {other} is admitted, not {one}"))
        };
        if self.epoch != admitted.epoch {
            return told("epoch", &self.epoch, &admitted.epoch);
        }
        if self.mode != admitted.mode {
            return told("mode", &self.mode, &admitted.mode);
        }
        if self.boot != admitted.boot {
            return told("boot id", &self.boot, &admitted.boot);
        }
        if self.data != admitted.data {
            return told("data id", &self.data, &admitted.data);
        }
        None
    }
}
