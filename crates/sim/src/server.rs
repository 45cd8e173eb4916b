//! A fake MariaDB, as far as the protocol can see it: a log, a relay log, semi-sync, what its recovery keeps
//! and what a loss of power takes. The facts are those of MariaDB 10.11.

use cluster::{Applying, Epoch, Gtid, Health, Millis, Position, Receiving, Running, Source};

use crate::clock::Micros;
use crate::event::Life;

/// One transaction. Two with the same sequence number may still be different ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Txn {
    /// Who wrote it first.
    pub(crate) server: u32,
    /// Which it is, over all servers.
    pub(crate) id: u64,
}

/// A server's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Process {
    Down,
    /// It runs and listens to nobody yet.
    Recovering,
    Up,
}

/// What lies on the disk and what the process does.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) process: Process,
    /// Which process it is.
    pub(crate) life: Life,
    pub(crate) has_data: bool,
    /// Nothing in it moves; its port still accepts.
    pub(crate) frozen: bool,
    /// What ails it in truth.
    pub(crate) health: Health,
    pub(crate) log: Vec<Txn>,
    /// Beyond this many, transactions of the log wait for an acknowledgement.
    pub(crate) committed: usize,
    /// So many at the beginning of the log are purged.
    pub(crate) purged: usize,
    /// Received and not applied; survives the process, not the power.
    pub(crate) relay: Vec<Txn>,
    pub(crate) read_only: bool,
    /// Being closed: writes wait.
    pub(crate) closing: bool,
    pub(crate) semi_sync: bool,
    pub(crate) replica_settings: bool,
    pub(crate) salvage: bool,
    pub(crate) receiving: Receiving,
    pub(crate) applying: Applying,
    /// It cannot apply what comes next.
    pub(crate) poisoned: bool,
    /// How long it takes to apply one transaction.
    pub(crate) applies_in: Micros,
    /// How many times slower than usual it is.
    pub(crate) slowness: u64,
    /// The epoch in which it was last opened.
    pub(crate) opened: Epoch,
    /// An event that goes on applying is scheduled.
    pub(crate) is_applying: bool,
}

impl Server {
    pub(crate) fn new(has_data: bool) -> Self {
        Self {
            process: Process::Down,
            life: 0,
            has_data,
            frozen: false,
            health: Health::Ok,
            log: Vec::new(),
            committed: 0,
            purged: 0,
            relay: Vec::new(),
            read_only: true,
            closing: false,
            semi_sync: false,
            replica_settings: false,
            salvage: false,
            receiving: Receiving::Stopped,
            applying: Applying::Stopped,
            poisoned: false,
            applies_in: 300,
            slowness: 1,
            opened: 0,
            is_applying: false,
        }
    }

    /// Its process runs and is open for connections.
    pub(crate) fn is_up(&self) -> bool {
        self.process == Process::Up
    }

    /// It answers a statement that writes nothing.
    pub(crate) fn answers(&self) -> bool {
        self.is_up() && !self.frozen
    }

    /// It can write to its disk.
    pub(crate) fn writes(&self) -> bool {
        self.answers() && matches!(self.health, Health::Ok | Health::OutOfConnections)
    }

    /// Recovery: closed, nothing replicates, and what a relay log holds must be looked at. In the destructive
    /// role it drops what is prepared, and `drops` more that were acknowledged.
    pub(crate) fn recover(&mut self, drops: Option<usize>) {
        if let Some(drops) = drops {
            self.log.truncate(self.committed.saturating_sub(drops));
            // What was purged goes no further than the log itself.
            self.purged = self.purged.min(self.log.len());
        }
        self.committed = self.log.len();
        self.read_only = true;
        self.closing = false;
        self.semi_sync = false;
        self.salvage = self.replica_settings;
        self.receiving = Receiving::Stopped;
        self.applying = Applying::Stopped;
    }

    /// SIGKILL, or what looks like it.
    pub(crate) fn kill(&mut self) {
        self.process = Process::Down;
        self.life += 1;
        self.frozen = false;
        self.closing = false;
        self.receiving = Receiving::Stopped;
        self.applying = Applying::Stopped;
        self.is_applying = false;
    }

    pub(crate) fn waiting(&self) -> usize {
        self.log.len() - self.committed
    }

    /// What it holds at this place, applied or not.
    pub(crate) fn holds(&self, index: usize) -> Option<Txn> {
        match index.checked_sub(self.log.len()) {
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

    /// What it says it has received: from stopped, only what it would ask for.
    pub(crate) fn received(&self) -> Position {
        if self.replica_settings && self.applying != Applying::Stopped {
            self.position(self.total())
        } else {
            self.position(self.log.len())
        }
    }

    /// The server's own words, as the keeper's `observe.rs` reads them.
    pub(crate) fn words(&self, beside: Beside) -> Running {
        let log = self.position(self.log.len());
        let unsalvaged = beside.unsalvaged.filter(|_| self.salvage);
        Running {
            health: beside.health,
            read_only: self.read_only,
            semi_sync: self.semi_sync,
            waiting_ms: beside.waiting_ms,
            received: self.received(),
            written: log.clone(),
            applied: log,
            receiving: self.receiving,
            applying: unsalvaged.map_or_else(|| self.applying.clone(), Applying::Failed),
            source: beside.source,
            replica_settings: self.replica_settings,
            salvage: self.salvage,
            silent_ms: beside.silent_ms,
            lag_ms: beside.lag_ms,
            long_ddl: false,
        }
    }
}

/// What is known of a server besides its own words.
pub(crate) struct Beside {
    pub(crate) health: Health,
    pub(crate) waiting_ms: Millis,
    pub(crate) source: Option<Source>,
    pub(crate) silent_ms: Millis,
    pub(crate) lag_ms: Option<Millis>,
    /// Why the relay log that was left cannot be applied.
    pub(crate) unsalvaged: Option<String>,
}
