//! Who has which number and where: what the ledger's transport needs before the ledger can be read.
//! Kept in `peers.json`, so that agents find each other again when all were restarted.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use cluster::{Document, NodeName};
use tokio::sync::watch;

use super::node::Node;
use crate::setup::Introduced;

/// The other nodes, by number.
pub(super) struct Directory {
    path: PathBuf,
    nodes: RwLock<BTreeMap<u32, Introduced>>,
}

impl Directory {
    /// As it was last saved, or as this node was told when it came in.
    pub(super) fn open(data_dir: &Path, introduced: &[Introduced]) -> Self {
        let path = data_dir.join("peers.json");
        let saved = std::fs::read_to_string(&path).ok();
        let saved: Option<Vec<Introduced>> =
            saved.and_then(|text| serde_json::from_str(&text).ok());
        let known = saved.unwrap_or_else(|| introduced.to_vec());
        let nodes = known.into_iter().map(|node| (node.number, node)).collect();
        Self {
            path,
            nodes: RwLock::new(nodes),
        }
    }

    /// The name of the node with this number.
    pub(super) fn name(&self, number: u64) -> Option<NodeName> {
        let number = u32::try_from(number).ok()?;
        self.read(|nodes| nodes.get(&number).map(|node| node.name.clone()))
    }

    /// Where this node's agent listens.
    pub(super) fn address(&self, name: &NodeName) -> Option<SocketAddr> {
        self.read(|nodes| {
            nodes
                .values()
                .find(|node| node.name == *name)
                .map(|node| node.address)
        })
    }

    /// Every node.
    pub(super) fn all(&self) -> Vec<Introduced> {
        self.read(|nodes| nodes.values().cloned().collect())
    }

    fn read<T>(&self, look: impl FnOnce(&BTreeMap<u32, Introduced>) -> T) -> T {
        look(&self.nodes.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over the members of a document; true when that changed anything.
    fn learn(&self, document: &Document) -> bool {
        let members = document.members.iter().filter_map(|(name, member)| {
            let address = member.address.parse().ok()?;
            let number = member.number;
            Some((
                number,
                Introduced {
                    name: name.clone(),
                    number,
                    address,
                },
            ))
        });
        let new: BTreeMap<u32, Introduced> = members.collect();
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let is_changed = *nodes != new;
        *nodes = new;
        is_changed
    }

    /// Not flushed and not fatal: it is a memory aid, every agent can be told again.
    async fn save(&self) {
        let beside = self.path.with_extension("new");
        let text = serde_json::to_vec_pretty(&self.all()).unwrap_or_default();
        let written = match tokio::fs::write(&beside, text).await {
            Ok(()) => tokio::fs::rename(&beside, &self.path).await,
            Err(error) => Err(error),
        };
        if let Err(error) = written {
            tracing::warn!(%error, "cannot save the directory of nodes");
        }
    }
}

/// Follows the ledger's members.
pub(super) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) -> Result<(), String> {
    let mut pictures = node.picture.subscribe();
    loop {
        let picture = pictures.borrow_and_update().clone();
        let document = picture
            .as_ref()
            .and_then(|picture| picture.view.document.as_ref());
        if document.is_some_and(|document| node.directory.learn(document)) {
            node.directory.save().await;
        }
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return Ok(()),
            changed = pictures.changed() => changed.map_err(|error| error.to_string())?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{DataId, Member, MemberKind};

    #[tokio::test]
    async fn directory_when_members_change_then_saved_and_found_again() {
        let dir = tempfile::tempdir().unwrap();
        let bravo: NodeName = "bravo".parse().unwrap();
        let told = Introduced {
            name: "alpha".parse().unwrap(),
            number: 1,
            address: "10.0.0.1:7400".parse().unwrap(),
        };
        let directory = Directory::open(dir.path(), std::slice::from_ref(&told));
        assert_eq!(directory.name(1), Some(told.name.clone()));
        let member = |number: u32| Member {
            address: format!("10.0.0.{number}:7400"),
            number,
            kind: MemberKind::Data,
            far: false,
            priority: 0,
        };
        let mut document = Document::founding(told.name.clone(), member(1), DataId(1));
        assert!(!directory.learn(&document));
        document.members.insert(bravo.clone(), member(2));
        assert!(directory.learn(&document));
        directory.save().await;
        let again = Directory::open(dir.path(), &[]);
        assert_eq!(again.name(2), Some(bravo.clone()));
        assert_eq!(
            again.address(&bravo),
            Some("10.0.0.2:7400".parse().unwrap())
        );
        assert_eq!(again.name(3), None);
    }
}
