//! What DATA_DIR remembers of this node: `node.json` (its existence makes the server a node, so it is
//! written last) and `secrets.json`. Versioned; a newer version is refused.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use cluster::{MemberKind, NodeName};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{check, files};
use crate::output::{Failure, Result};

const VERSION: u32 = 1;

/// This node's place in its cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    version: u32,
    /// Its name.
    pub(crate) name: NodeName,
    /// Its number in the cluster.
    pub(crate) number: u32,
    /// Whether it holds data.
    pub(crate) kind: MemberKind,
    /// The nodes it was told of when it came in.
    #[serde(default)]
    pub(crate) introduced: Vec<Introduced>,
}

/// Another node, by name, number and address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Introduced {
    /// Its name.
    pub(crate) name: NodeName,
    /// Its number.
    pub(crate) number: u32,
    /// Its peer port.
    pub(crate) address: SocketAddr,
}

impl Record {
    /// A record to be saved.
    pub(crate) fn new(name: NodeName, number: u32, kind: MemberKind) -> Self {
        Self {
            version: VERSION,
            name,
            number,
            kind,
            introduced: Vec::new(),
        }
    }

    fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("node.json")
    }

    /// True when this directory is a node's.
    pub(crate) fn exists(data_dir: &Path) -> bool {
        Self::path(data_dir).exists()
    }

    /// Saves it: from now on this server is a node.
    pub(crate) fn save(&self, data_dir: &Path) -> Result {
        files::write_json(&Self::path(data_dir), self, 0o600)
    }

    /// Loads it.
    pub(crate) fn load(data_dir: &Path) -> Result<Self> {
        if check::unfinished(data_dir).exists() {
            return Err(Failure::new(format!(
                "`{}` is of a setup that was interrupted",
                data_dir.display()
            ))
            .hint("repeat the same `mainstay init` or `mainstay join`"));
        }
        if !Self::exists(data_dir) {
            return Err(
                Failure::new(format!("`{}` is no node's directory", data_dir.display()))
                    .hint("make this server a node with `mainstay init` or `mainstay join`"),
            );
        }
        load(&Self::path(data_dir), false)
    }
}

/// What nobody else may know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Secrets {
    version: u32,
    /// With which replicas connect; the same on every node.
    pub(crate) replication_password: String,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secrets(hidden)")
    }
}

impl Secrets {
    /// Those of a new cluster.
    pub(crate) fn random() -> Result<Self> {
        use fmt::Write as _;
        let mut bytes = [0_u8; 24];
        getrandom::fill(&mut bytes).map_err(Failure::doing("get random numbers"))?;
        let mut password = String::with_capacity(48);
        for byte in bytes {
            let _ = write!(password, "{byte:02x}");
        }
        Ok(Self::of(password))
    }

    /// Those that a cluster gave to a new node.
    pub(crate) fn of(replication_password: String) -> Self {
        Self {
            version: VERSION,
            replication_password,
        }
    }

    fn path(data_dir: &Path) -> PathBuf {
        data_dir.join("secrets.json")
    }

    /// Saves them, readable by their owner only.
    pub(crate) fn save(&self, data_dir: &Path) -> Result {
        files::write_json(&Self::path(data_dir), self, 0o600)
    }

    /// Loads them; refuses a file that others can read.
    pub(crate) fn load(data_dir: &Path) -> Result<Self> {
        load(&Self::path(data_dir), true)
    }
}

/// The version first: what a later one has besides is not known here.
fn load<T: DeserializeOwned>(path: &Path, is_secret: bool) -> Result<T> {
    let value: Value = files::read_json(path, is_secret)?;
    let found = value.get("version").and_then(Value::as_u64);
    let found = found.ok_or_else(|| files::damaged(path, "it names no version"))?;
    if found > u64::from(VERSION) {
        return Err(Failure::refused(format!(
            "`{}` has version {found}, this program knows version {VERSION}",
            path.display()
        ))
        .hint("run the version of Mainstay that wrote it, or a later one"));
    }
    // Why not the parser's words: of a secret they would show a part.
    let wrong = |_| files::damaged(path, "it is not what Mainstay writes there");
    serde_json::from_value(value).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_when_saved_then_loaded_and_a_newer_version_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!Record::exists(dir.path()));
        let record = Record::new("alpha".parse().unwrap(), 1, MemberKind::Data);
        record.save(dir.path()).unwrap();
        assert_eq!(Record::load(dir.path()).unwrap(), record);
        Record {
            version: 2,
            ..record
        }
        .save(dir.path())
        .unwrap();
        assert!(
            Record::load(dir.path())
                .unwrap_err()
                .what
                .contains("version 2")
        );
    }

    #[test]
    fn secrets_when_shown_then_hidden() {
        let secrets = Secrets::random().unwrap();
        assert!(!format!("{secrets:?}").contains(&secrets.replication_password));
        assert_eq!(secrets.replication_password.len(), 48);
    }
}
