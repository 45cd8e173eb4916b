//! The durable state of a node: which life of its data directory this is, whether it was open for
//! writes, and in which epoch its last transactions were made. Written whole, beside, then renamed.

use std::io::Write;
use std::path::{Path, PathBuf};

use cluster::{DataId, Epoch, Mark};
use serde::{Deserialize, Serialize};

use crate::{Error, Result};

const VERSION: u32 = 1;
const FILE: &str = "state.json";
/// Limit: the file has a few hundred bytes.
const SIZE_LIMIT: u64 = 64 * 1024;

/// What survives the agent and the server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    version: u32,
    /// Id of the present data directory.
    pub data: DataId,
    /// Whether it was open for writes.
    pub mark: Mark,
    /// Epoch that its last transactions came from.
    pub followed: Epoch,
    /// The data directory carries its id: one without it, or with another, is not this one.
    tagged: bool,
}

impl State {
    /// The state of a node that has no data yet.
    pub fn fresh() -> Result<Self> {
        Ok(Self {
            version: VERSION,
            data: new_data_id()?,
            mark: Mark::Clean,
            followed: 0,
            tagged: false,
        })
    }

    /// The state of a cluster's first node.
    pub fn founder() -> Result<Self> {
        Ok(Self {
            followed: 1,
            ..Self::fresh()?
        })
    }

    /// Reads the state of the node whose state directory this is.
    pub fn load(dir: &Path) -> Result<Self> {
        let path = dir.join(FILE);
        let fail = |why: String| Error::State {
            path: path.clone(),
            why,
        };
        let size = std::fs::metadata(&path)
            .map_err(|e| fail(e.to_string()))?
            .len();
        if size > SIZE_LIMIT {
            return Err(fail(format!("it has {size} bytes, which cannot be")));
        }
        let text = std::fs::read_to_string(&path).map_err(|e| fail(e.to_string()))?;
        let version = serde_json::from_str::<serde_json::Value>(&text)
            .map_err(|e| fail(e.to_string()))?
            .get("version")
            .and_then(serde_json::Value::as_u64);
        let found = version.ok_or_else(|| fail("it names no version".into()))?;
        if found > u64::from(VERSION) {
            return Err(Error::NewerState {
                path,
                found,
                known: VERSION,
            });
        }
        serde_json::from_str(&text).map_err(|e| fail(e.to_string()))
    }

    /// Writes it; durable when this returns.
    pub fn save(&self, dir: &Path) -> Result<()> {
        let path = dir.join(FILE);
        self.write(dir, &path).map_err(|e| Error::State {
            path,
            why: e.to_string(),
        })
    }

    fn write(&self, dir: &Path, path: &PathBuf) -> std::io::Result<()> {
        let beside = dir.join(format!("{FILE}.new"));
        let mut file = std::fs::File::create(&beside)?;
        file.write_all(serde_json::to_string_pretty(self)?.as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        std::fs::rename(&beside, path)?;
        std::fs::File::open(dir)?.sync_all()
    }

    /// The same, once it is open for writes in `epoch`, or replicates, or has a new directory.
    #[must_use]
    pub fn marked(&self, mark: Mark) -> Self {
        let followed = match mark {
            Mark::Opened { epoch } => epoch,
            Mark::Clean | Mark::Rewound { .. } => self.followed,
        };
        Self {
            mark,
            followed,
            ..self.clone()
        }
    }

    /// Whether the data directory carries the id.
    pub fn is_tagged(&self) -> bool {
        self.tagged
    }

    /// The same, about to receive what a primary of `epoch` writes.
    #[must_use]
    pub fn following(&self, epoch: Epoch) -> Self {
        Self {
            followed: self.followed.max(epoch),
            ..self.clone()
        }
    }

    /// The same, its id now in the data directory too.
    #[must_use]
    pub fn tagged(&self) -> Self {
        Self {
            tagged: true,
            ..self.clone()
        }
    }

    /// The same, its directory a copy of a primary of `epoch`.
    #[must_use]
    pub fn copied(&self, epoch: Epoch) -> Self {
        Self {
            mark: Mark::Clean,
            followed: epoch,
            ..self.clone()
        }
    }

    /// The same with a new data id: whatever vouched for the old one does no longer.
    pub fn renounced(&self, mark: Mark) -> Result<Self> {
        Ok(Self {
            data: new_data_id()?,
            mark,
            ..self.clone()
        })
    }
}

fn new_data_id() -> Result<DataId> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| Error::Random(error.to_string()))?;
    Ok(DataId(u128::from_le_bytes(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_loaded() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::founder().unwrap().marked(Mark::Opened { epoch: 3 });
        state.save(dir.path()).unwrap();
        assert_eq!(State::load(dir.path()).unwrap(), state);
        assert_eq!(state.followed, 3);
    }

    #[test]
    fn a_state_from_the_future_or_a_torn_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "{", r#"{"version":2}"#, r#"{"version":1,"data":"x"}"#] {
            std::fs::write(dir.path().join(FILE), text).unwrap();
            assert!(State::load(dir.path()).is_err(), "{text}");
        }
    }

    #[test]
    fn renouncing_makes_a_new_data_id() {
        let state = State::fresh().unwrap();
        assert_ne!(state.renounced(Mark::Clean).unwrap().data, state.data);
    }
}
