//! Cables that are broken in one direction: a node that is not heard, or that hears nothing. The
//! packets are dropped where they arrive, so that the sender notices nothing but silence.
//! Needs namespaces.

use std::time::Instant;

use crate::{Cluster, Result};

impl Cluster {
    /// What this node sends no longer reaches anybody; it still hears everybody.
    ///
    /// # Errors
    /// No such node, or no namespaces.
    pub fn mute(&self, node: &str) -> Result<Instant> {
        let address = self.address_of(node)?;
        let at = Instant::now();
        self.on_network(|network| {
            let mut others = self.nodes().iter().filter(|other| other.name() != node);
            others.try_for_each(|other| network.refuse_from(other.name(), address))
        })?;
        Ok(at)
    }

    /// What others send no longer reaches this node; everybody still hears it.
    ///
    /// # Errors
    /// No such node, or no namespaces.
    pub fn deafen(&self, node: &str) -> Result<Instant> {
        self.address_of(node)?;
        let at = Instant::now();
        self.on_network(|network| {
            let mut others = self.nodes().iter().filter(|other| other.name() != node);
            others.try_for_each(|other| network.refuse_from(node, other.address))
        })?;
        Ok(at)
    }

    /// Ends whatever cuts there are between nodes, in every direction. Cables stay as they are.
    ///
    /// # Errors
    /// No namespaces.
    pub fn mend(&self) -> Result<()> {
        self.on_network(|network| {
            let mut nodes = self.nodes().iter();
            nodes.try_for_each(|node| network.accept_all(node.name()))
        })
    }
}
