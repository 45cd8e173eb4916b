//! Bounds the connections that have not yet said who they are. When there are too many, the oldest of
//! the address with the most is ended: a flood evicts itself, and a real peer, which needs only
//! milliseconds, gets through.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::socket::Severer;

#[derive(Debug)]
pub(crate) struct Gate {
    limit: usize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    next: u64,
    /// By order of arrival.
    connections: BTreeMap<u64, (IpAddr, Severer)>,
    evicted: u64,
}

/// An unauthenticated connection's place; given up when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    gate: Arc<Gate>,
    id: u64,
}

impl Gate {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit: limit.max(1),
            waiting: Mutex::default(),
        })
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a connection in, ending another if there are too many.
    pub(crate) fn enter(self: &Arc<Self>, from: IpAddr, severer: Severer) -> Slot {
        let mut waiting = self.waiting();
        if waiting.connections.len() >= self.limit {
            waiting.evict();
        }
        let id = waiting.next;
        waiting.next += 1;
        waiting.connections.insert(id, (from, severer));
        Slot {
            gate: Arc::clone(self),
            id,
        }
    }

    /// How many were ended for others so far.
    pub(crate) fn evicted(&self) -> u64 {
        self.waiting().evicted
    }
}

impl Waiting {
    fn evict(&mut self) {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (from, _) in self.connections.values() {
            *counts.entry(*from).or_default() += 1;
        }
        let most = counts.values().copied().max().unwrap_or(0);
        let victim = self
            .connections
            .iter()
            .find(|(_, (from, _))| counts.get(from) == Some(&most));
        let Some(id) = victim.map(|(&id, _)| id) else {
            return;
        };
        if let Some((_, severer)) = self.connections.remove(&id) {
            severer.sever();
            self.evicted += 1;
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.gate.waiting().connections.remove(&self.id);
    }
}
