//! What `mainstay status --json` prints, version 1, as a reader sees it: every field that the
//! contract names, absent or null ones tolerated, further ones ignored.

use serde::Deserialize;

/// The whole document.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Status {
    /// Version of the document; 1.
    pub version: u32,
    /// The cluster's name.
    #[serde(default)]
    pub cluster: String,
    /// Grows with each new primary.
    #[serde(default)]
    pub epoch: u64,
    /// The primary's name, if there is one.
    #[serde(default)]
    pub primary: Option<String>,
    /// Replicas whose copy counts for acknowledgement.
    #[serde(default)]
    pub in_sync: Vec<String>,
    /// Any one server can be lost now and nothing acknowledged is lost.
    #[serde(default)]
    pub protected: bool,
    /// Automatic change of primary is suspended.
    #[serde(default)]
    pub paused: bool,
    /// The register that decides.
    #[serde(default)]
    pub ledger: Option<Ledger>,
    /// Every node the cluster knows.
    #[serde(default)]
    pub nodes: Vec<NodeStatus>,
    /// The last change of primary.
    #[serde(default)]
    pub last_change: Option<Change>,
}

/// The ledger as the asked node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Ledger {
    /// `raft`, `bucket` or `etcd`.
    #[serde(default)]
    pub kind: String,
    /// Raft: the voters.
    #[serde(default)]
    pub members: Vec<String>,
    /// It answers.
    #[serde(default)]
    pub reachable: bool,
}

/// One node as the asked node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct NodeStatus {
    /// Its name.
    pub name: String,
    /// Its address.
    #[serde(default)]
    pub address: String,
    /// `joining`, `replica`, `promoting`, `primary`, `demoting`, `fenced`, `witness`, `unknown`.
    #[serde(default)]
    pub role: String,
    /// The role it is on the way to.
    #[serde(default)]
    pub becoming: Option<String>,
    /// `ok`, or what is wrong.
    #[serde(default)]
    pub health: String,
    /// Votes and holds no data.
    #[serde(default)]
    pub witness: bool,
    /// Milliseconds since it was last heard of.
    #[serde(default)]
    pub seen_ms_ago: Option<u64>,
    /// Its database server, if it has one and it is known.
    #[serde(default)]
    pub database: Option<DatabaseStatus>,
}

/// One MariaDB server.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct DatabaseStatus {
    /// Such as `10.11.19-MariaDB`.
    #[serde(default)]
    pub version: Option<String>,
    /// Its process.
    #[serde(default)]
    pub pid: Option<i32>,
    /// Where its administrator connects.
    #[serde(default)]
    pub socket: Option<String>,
    /// Takes no writes.
    #[serde(default)]
    pub read_only: Option<bool>,
    /// What it has.
    #[serde(default)]
    pub gtid: Option<String>,
    /// How far it is behind.
    #[serde(default)]
    pub lag_ms: Option<u64>,
}

/// The last change of primary.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Change {
    /// `failover` or `switchover`.
    #[serde(default)]
    pub kind: String,
    /// The one before.
    #[serde(default)]
    pub from: Option<String>,
    /// The one since.
    #[serde(default)]
    pub to: Option<String>,
    /// RFC 3339.
    #[serde(default)]
    pub at: Option<String>,
    /// How long writes stood still, in milliseconds.
    #[serde(default)]
    pub write_pause_ms: Option<u64>,
    /// A sentence.
    #[serde(default)]
    pub reason: Option<String>,
}

impl Status {
    /// What it says of a node.
    pub fn node(&self, name: &str) -> Option<&NodeStatus> {
        self.nodes.iter().find(|node| node.name == name)
    }

    /// Protected, and the primary it names is one.
    pub fn is_protected(&self) -> bool {
        self.protected && self.primary.is_some() && !self.in_sync.is_empty()
    }

    /// One line for an error message.
    pub fn summary(&self) -> String {
        let nodes: Vec<String> = self
            .nodes
            .iter()
            .map(|node| format!("{}={}/{}", node.name, node.role, node.health))
            .collect();
        format!(
            "epoch {}, primary {}, in sync [{}], protected {}, {}",
            self.epoch,
            self.primary.as_deref().unwrap_or("none"),
            self.in_sync.join(" "),
            self.protected,
            nodes.join(" ")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_when_it_is_the_contracts_example_then_every_field_is_read() {
        let text = r#"{ "version": 1, "cluster": "example", "epoch": 7, "primary": "alpha", "in_sync": ["bravo"],
          "protected": true, "paused": false,
          "ledger": { "kind": "raft", "members": ["alpha", "bravo", "witness"], "reachable": true },
          "nodes": [ { "name": "alpha", "address": "10.77.0.1", "role": "primary", "becoming": null,
              "health": "ok", "witness": false, "seen_ms_ago": 40,
              "database": { "version": "10.11.19-MariaDB", "pid": 4242, "socket": "/x/mariadb.sock",
                            "read_only": false, "gtid": "0-1-1234", "lag_ms": 0 } } ],
          "last_change": { "kind": "failover", "from": "bravo", "to": "alpha", "at": "2026-11-20T12:00:00Z",
              "write_pause_ms": 240, "reason": "the server process on bravo died" } }"#;
        let status: Status = serde_json::from_str(text).unwrap();
        assert!(status.is_protected());
        let database = status.node("alpha").unwrap().database.clone().unwrap();
        assert_eq!(database.pid, Some(4242));
        assert_eq!(status.last_change.unwrap().write_pause_ms, Some(240));
    }

    #[test]
    fn status_when_fields_are_null_missing_or_new_then_it_is_still_read() {
        let text = r#"{ "version": 1, "primary": null, "database": null, "last_change": null,
          "news": {"a": 1}, "nodes": [ { "name": "w", "role": "witness", "database": null } ] }"#;
        let status: Status = serde_json::from_str(text).unwrap();
        assert!(!status.is_protected());
        assert_eq!(status.node("w").unwrap().role, "witness");
    }
}
