//! A database server as far as the protocol can see it: a log, a relay log, semi-sync, and what its
//! recovery keeps. The facts are those of MariaDB 10.11.

use cluster::{Applying, Gtid, Health, Millis, Position, Receiving, Running, Source};

/// One transaction. Two with the same sequence number may still be different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Txn {
    pub(crate) server: u32,
    pub(crate) id: u64,
    pub(crate) at: Millis,
}

/// What lies on the disk and what the process does.
#[derive(Clone, Debug)]
pub(crate) struct Database {
    pub(crate) running: bool,
    pub(crate) has_data: bool,
    pub(crate) health: Health,
    pub(crate) log: Vec<Txn>,
    /// Beyond this many, transactions of the log wait for an acknowledgement.
    pub(crate) committed: usize,
    /// Received and not applied; survives the process, not the power.
    pub(crate) relay: Vec<Txn>,
    pub(crate) read_only: bool,
    pub(crate) semi_sync: bool,
    pub(crate) replica_settings: bool,
    pub(crate) salvage: bool,
    pub(crate) receiving: Receiving,
    pub(crate) applying: Applying,
    pub(crate) source: Option<Source>,
    pub(crate) waiting_since: Millis,
}

impl Database {
    pub(crate) fn new(has_data: bool) -> Self {
        Self {
            running: false,
            has_data,
            health: Health::Ok,
            log: Vec::new(),
            committed: 0,
            relay: Vec::new(),
            read_only: true,
            semi_sync: false,
            replica_settings: false,
            salvage: false,
            receiving: Receiving::Stopped,
            applying: Applying::Stopped,
            source: None,
            waiting_since: 0,
        }
    }

    /// A start: closed, nothing replicates, and what a relay log holds must be looked at.
    pub(crate) fn start(&mut self, drops: Option<usize>) {
        if let Some(drops) = drops {
            self.log.truncate(self.committed.saturating_sub(drops));
        }
        self.committed = self.log.len();
        self.running = true;
        self.health = Health::Ok;
        self.read_only = true;
        self.semi_sync = false;
        self.salvage = self.replica_settings;
        self.receiving = Receiving::Stopped;
        self.applying = Applying::Stopped;
        self.source = None;
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.running = false;
        self.receiving = Receiving::Stopped;
        self.applying = Applying::Stopped;
    }

    pub(crate) fn waiting(&self) -> usize {
        self.log.len() - self.committed
    }

    /// Everything it holds, in order.
    pub(crate) fn holds(&self, index: usize) -> Option<Txn> {
        let relayed = index.checked_sub(self.log.len());
        match relayed {
            None => self.log.get(index).copied(),
            Some(at) => self.relay.get(at).copied(),
        }
    }

    pub(crate) fn total(&self) -> usize {
        self.log.len() + self.relay.len()
    }

    pub(crate) fn position(&self, len: usize) -> Position {
        let last = len.checked_sub(1).and_then(|last| self.holds(last));
        last.map(|txn| Gtid {
            domain: 0,
            server: txn.server,
            sequence: len as u64,
        })
        .into_iter()
        .collect()
    }

    /// The server's own words, as the keeper reads them.
    pub(crate) fn words(&self, now: Millis, silent_ms: Millis, lag_ms: Option<Millis>) -> Running {
        let log = self.position(self.log.len());
        // From stopped, the server tells what it would ask for, not what lies in its files.
        let received = if self.replica_settings && self.applying != Applying::Stopped {
            self.position(self.total())
        } else {
            log.clone()
        };
        let waits = self.waiting() > 0 && self.semi_sync;
        Running {
            health: self.health.clone(),
            read_only: self.read_only,
            semi_sync: self.semi_sync,
            waiting_ms: if waits { now - self.waiting_since } else { 0 },
            written: log.clone(),
            applied: log,
            received,
            receiving: self.receiving,
            applying: self.applying.clone(),
            source: self.source.clone(),
            replica_settings: self.replica_settings,
            salvage: self.salvage,
            silent_ms,
            lag_ms,
            long_ddl: false,
        }
    }
}
