//! One state of the small cluster that is explored. Documents, memories, reports and plans are the
//! core's own types, by their number in `Tables`; everything else is a few bytes.

use cluster::{BootId, DataId, Gtid, Mark, Mode, Position, Receiving, Stamp};

/// Most nodes, all with data.
pub(crate) const NODES: usize = 3;
/// Most writes.
pub(crate) const WRITES: usize = 4;
/// Most swaps without an answer at a time.
pub(crate) const FLOATING: usize = 6;

/// Transactions in order; each is `16 * number of its first server + its own number`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Log {
    pub(crate) len: u8,
    txns: [u8; WRITES],
}

impl Log {
    pub(crate) fn get(self, at: u8) -> Option<u8> {
        (at < self.len).then(|| self.txns[at as usize])
    }

    pub(crate) fn push(&mut self, txn: u8) {
        self.txns[self.len as usize] = txn;
        self.len += 1;
    }

    pub(crate) fn truncate(&mut self, len: u8) {
        for at in len..self.len {
            self.txns[at as usize] = 0;
        }
        self.len = self.len.min(len);
    }

    pub(crate) fn append(&mut self, other: &mut Self) {
        for at in 0..other.len {
            self.push(other.txns[at as usize]);
        }
        other.truncate(0);
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u8> + '_ {
        self.txns[..self.len as usize].iter().copied()
    }

    pub(crate) fn renamed(mut self, name: impl Fn(u8) -> u8) -> Self {
        for txn in &mut self.txns[..self.len as usize] {
            *txn = name(*txn);
        }
        self
    }

    /// One bit for each write in it.
    pub(crate) fn writes(self) -> u8 {
        let all = self.txns[..self.len as usize].iter();
        all.fold(0, |bits, txn| bits | 1 << (txn & 15))
    }

    pub(crate) fn position(self) -> Position {
        self.end().position()
    }

    pub(crate) fn end(self) -> End {
        let last = self.len.checked_sub(1).and_then(|last| self.get(last));
        End {
            server: last.map_or(0, |txn| txn >> 4),
            len: self.len,
        }
    }
}

/// The last transaction of a log: its server, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct End {
    server: u8,
    len: u8,
}

impl End {
    pub(crate) fn position(self) -> Position {
        let last = (self.len > 0).then(|| Gtid {
            domain: 0,
            server: self.server.into(),
            sequence: self.len.into(),
        });
        last.into_iter().collect()
    }
}

/// What came of an action; documents by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Came {
    Done,
    At(End),
    Read(u32),
    Won,
    Lost(u32),
    Undecided,
    Failed,
}

/// Whom a server replicates from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Link {
    pub(crate) to: u8,
    pub(crate) epoch: u8,
    pub(crate) mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Apply {
    Stopped,
    Running,
    Failed,
}

/// What lies on a node's disk and what its server does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Database {
    pub(crate) running: bool,
    pub(crate) has_data: bool,
    pub(crate) read_only: bool,
    pub(crate) semi_sync: bool,
    pub(crate) replica_settings: bool,
    pub(crate) salvage: bool,
    pub(crate) connected: bool,
    pub(crate) log: Log,
    /// Beyond this many, transactions of the log wait for an acknowledgement.
    pub(crate) committed: u8,
    /// Received and not applied; survives the process, not the power.
    pub(crate) relay: Log,
    pub(crate) receiving: Receiving,
    pub(crate) applying: Apply,
    pub(crate) source: Option<Link>,
}

impl Database {
    pub(crate) fn empty() -> Self {
        Self {
            running: false,
            has_data: false,
            read_only: true,
            semi_sync: false,
            replica_settings: false,
            salvage: false,
            connected: false,
            log: Log::default(),
            committed: 0,
            relay: Log::default(),
            receiving: Receiving::Stopped,
            applying: Apply::Stopped,
            source: None,
        }
    }

    /// Everything it holds, applied or not.
    pub(crate) fn holds(&self) -> Log {
        let (mut all, mut relay) = (self.log, self.relay);
        all.append(&mut relay);
        all
    }

    pub(crate) fn waiting(&self) -> bool {
        self.log.len > self.committed
    }

    /// A start: closed, nothing replicates, and what a relay log holds must be looked at.
    pub(crate) fn start(&mut self) {
        self.committed = self.log.len;
        self.running = true;
        self.salvage = self.replica_settings;
    }

    /// SIGKILL. What only the process knew is as a start would make it.
    pub(crate) fn kill(&mut self) {
        self.running = false;
        self.read_only = true;
        self.semi_sync = false;
        self.salvage = false;
        self.connected = false;
        self.receiving = Receiving::Stopped;
        self.applying = Apply::Stopped;
        self.source = None;
    }
}

/// A replica that may connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Admission {
    pub(crate) epoch: u8,
    pub(crate) mode: Mode,
    pub(crate) boot: u8,
    pub(crate) data: u8,
    pub(crate) connected: bool,
    /// A mutation left a way in that the agent knows nothing of: while connected, or for good.
    pub(crate) ghost: Option<Ghost>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ghost {
    WhileConnected,
    ForGood,
}

/// One node: disk, server, agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Node {
    pub(crate) me: u8,
    pub(crate) boot: u8,
    pub(crate) data: u8,
    pub(crate) mark: Mark,
    pub(crate) followed: u8,
    /// The last data directory that a fault emptied.
    pub(crate) emptied: u8,
    pub(crate) database: Database,
    /// 0: none read yet.
    pub(crate) document: u32,
    pub(crate) memory: u32,
    /// The rest of the plan that is being carried out; 0: none.
    pub(crate) plan: u32,
    /// The last words of each other node; 0: none.
    pub(crate) reports: [u32; NODES],
    pub(crate) admissions: [Option<Admission>; NODES],
    /// Its server has ended and the agent has not noticed.
    pub(crate) ended: bool,
    pub(crate) wish: bool,
}

impl Node {
    pub(crate) fn stamp(&self) -> Stamp {
        stamp(self.boot, self.data)
    }
}

pub(crate) fn stamp(boot: u8, data: u8) -> Stamp {
    Stamp {
        boot: BootId(boot.into()),
        data: DataId(data.into()),
    }
}

/// A state, unfolded to be changed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unfolded {
    pub(crate) nodes: [Node; NODES],
    pub(crate) rest: Rest,
}

/// What belongs to no node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Rest {
    pub(crate) ledger: u32,
    /// The ledger before its last change; only for the mutation that reads it, else 0.
    pub(crate) before: u32,
    /// Swaps without an answer that may still land, by number; 0: none.
    pub(crate) floating: [u16; FLOATING],
    /// One bit for each write whose client was told that it is done.
    pub(crate) acked: u8,
    pub(crate) used: Used,
}

/// How much of the bounds is used up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Used {
    pub(crate) faults: u8,
    pub(crate) writes: u8,
    pub(crate) revs: u8,
    pub(crate) epochs: u8,
    pub(crate) wishes: u8,
}

/// A state as it is kept: nodes and the rest by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) nodes: [u32; NODES],
    pub(crate) rest: u32,
    pub(crate) used: Used,
}
