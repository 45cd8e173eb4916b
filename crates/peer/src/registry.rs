//! Every authenticated connection, by node, in both directions: to count them and to cut a node's.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::socket::Severer;

#[derive(Debug, Default)]
pub(crate) struct Registry(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    connections: HashMap<u64, (String, Severer)>,
    refused: BTreeSet<String>,
}

/// A connection's place in the registry; leaves it when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    registry: Arc<Registry>,
    id: u64,
}

/// Why a node gets no connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    Removed,
    TooMany,
}

impl Registry {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Enters a connection of the node, unless it is refused or has `limit` already.
    pub(crate) fn enter(
        self: &Arc<Self>,
        node: &str,
        severer: Severer,
        limit: usize,
    ) -> Result<Place, Denied> {
        let mut table = self.table();
        if table.refused.contains(node) {
            return Err(Denied::Removed);
        }
        if table
            .connections
            .values()
            .filter(|(name, _)| name == node)
            .count()
            >= limit
        {
            return Err(Denied::TooMany);
        }
        let id = table.next;
        table.next += 1;
        table.connections.insert(id, (node.to_owned(), severer));
        Ok(Place {
            registry: Arc::clone(self),
            id,
        })
    }

    pub(crate) fn is_refused(&self, node: &str) -> bool {
        self.table().refused.contains(node)
    }

    /// Replaces the set of refused nodes and cuts the connections they have.
    pub(crate) fn refuse(&self, nodes: BTreeSet<String>) {
        let mut table = self.table();
        table.refused = nodes;
        for (node, severer) in table.connections.values() {
            if table.refused.contains(node) {
                severer.sever();
            }
        }
    }
}

impl Place {
    /// The connection is severed by this from now on; at once, when its node is refused.
    pub(crate) fn pass_on(&mut self, severer: &Severer) {
        let mut table = self.registry.table();
        let Some(connection) = table.connections.get_mut(&self.id) else {
            return;
        };
        connection.1 = severer.clone();
        let node = connection.0.clone();
        // Why: it may have been refused while nobody could sever it.
        if table.refused.contains(&node) {
            severer.sever();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.registry.table().connections.remove(&self.id);
    }
}
