//! The open connections of one upstream target, and what is known of them: shared between the local
//! port's tasks, whoever reads the state, and whoever takes the target away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::meter::Meter;
use super::upstream::{UpstreamState, UpstreamTarget};
use crate::socket::Severer;

/// Local connections at the same time; a server makes one, or two.
const CONNECTIONS: usize = 8;

/// What one target's tasks and readers share.
#[derive(Debug, Default)]
pub(super) struct Target {
    /// Whom to follow; none: the port is closed.
    pub(super) wanted: Option<UpstreamTarget>,
    pub(super) from_primary: Arc<Meter>,
    pub(super) to_primary: Arc<Meter>,
    links: Mutex<Links>,
}

#[derive(Debug, Default)]
struct Links {
    next: u64,
    open: Vec<Link>,
    cut: bool,
    last_refusal: Option<(Instant, String)>,
}

#[derive(Debug)]
struct Link {
    id: u64,
    severers: Vec<Severer>,
    connected: Option<Instant>,
}

impl Target {
    pub(super) fn new(wanted: Option<UpstreamTarget>) -> Self {
        Self {
            wanted,
            ..Self::default()
        }
    }

    fn links(&self) -> MutexGuard<'_, Links> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn state(&self) -> UpstreamState {
        let links = self.links();
        UpstreamState {
            target: self.wanted.clone(),
            connected: links.open.iter().filter_map(|link| link.connected).min(),
            bytes: (self.from_primary.bytes(), self.to_primary.bytes()),
            last_from_primary: self.from_primary.last(),
            last_refusal: links.last_refusal.clone(),
        }
    }

    /// Notes a failure, unless it comes from the target being taken away.
    pub(super) fn note_failure(&self, reason: String) {
        let mut links = self.links();
        if !links.cut {
            links.last_refusal = Some((Instant::now(), reason));
        }
    }

    pub(super) fn is_cut(&self) -> bool {
        self.links().cut
    }

    /// Resets every connection and lets none in any more.
    pub(super) fn sever_all(&self) {
        let mut links = self.links();
        links.cut = true;
        links
            .open
            .iter()
            .flat_map(|link| &link.severers)
            .for_each(Severer::sever);
    }

    /// Enters a local connection, if there is room and the target still stands.
    pub(super) fn enter(self: &Arc<Self>, severer: Severer) -> Option<Stay> {
        let mut links = self.links();
        if links.cut || links.open.len() >= CONNECTIONS {
            return None;
        }
        let id = links.next;
        links.next += 1;
        links.open.push(Link {
            id,
            severers: vec![severer],
            connected: None,
        });
        Some(Stay {
            shared: Arc::clone(self),
            id,
        })
    }
}

/// A local connection's stay on the list.
pub(super) struct Stay {
    shared: Arc<Target>,
    id: u64,
}

impl Stay {
    /// The tunnel is there. `false`: the target was taken away meanwhile.
    pub(super) fn connect(&self, severer: Severer) -> bool {
        let mut links = self.shared.links();
        let cut = links.cut;
        if let Some(link) = links.open.iter_mut().find(|link| link.id == self.id) {
            link.severers.push(severer);
            link.connected = Some(Instant::now());
        }
        !cut
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.shared.links().open.retain(|link| link.id != self.id);
    }
}
