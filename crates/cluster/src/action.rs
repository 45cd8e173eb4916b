//! What a node can be told to do, and what can come of it.

use std::collections::BTreeSet;

use wire::gtid::Position;

use crate::{Document, Epoch, Mark, Mode, NodeName, Rev, Source, Stamp};

/// One step. Steps of one decision are carried out in order; the first that fails ends the round,
/// and the next decision is made from what is true then.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// A linearizable read of the ledger, never a local copy.
    ReadLedger,
    /// A compare-and-swap on revision `next.rev - 1`.
    Swap {
        /// The document wanted.
        next: Box<Document>,
        /// What for.
        intent: Intent,
    },
    /// Start the server, closed for writes.
    Start(StartAs),
    /// End the server hard: SIGKILL, never a graceful stop, which would commit what waits.
    Kill,
    /// Apply the relay log that an earlier run of the server left.
    Salvage,
    /// Stop the receiving thread; with a revision, also give the word not to start it again in it.
    StopReceiving {
        /// The revision that the promise is for.
        promise: Option<Rev>,
    },
    /// Replicate from `Source`: flag, tunnel and settings together while nothing is received. All
    /// that was received is applied already.
    Follow(Source),
    /// Let a replica connect, in this mode and with these ids only.
    Admit {
        /// The replica.
        node: NodeName,
        /// In which epoch.
        epoch: Epoch,
        /// How.
        mode: Mode,
        /// With which ids.
        stamp: Stamp,
    },
    /// End a replica's connection and let it in no more.
    Cut(NodeName),
    /// Enter the office that the ledger gave this node while its agent was awake.
    Assume,
    /// Drop the settings of a replica; stays closed.
    Promote,
    /// A closed former primary becomes ready to follow: semi-sync off, its position kept.
    Demote,
    /// Wait for acknowledgements from now on, or no longer.
    SemiSync(bool),
    /// Read the end of the binlog now and remember it.
    NoteEnd(EndOf),
    /// Write the durable mark.
    SetMark(Mark),
    /// Write, durably and in one step, a new data id and the mark that goes with it.
    Renounce(Mark),
    /// Take writes and run events.
    Open,
    /// Refuse writes; waits for those that run.
    Close,
    /// Ask `node` to become the first member of an empty set.
    BeginGrow {
        /// The replica.
        node: NodeName,
        /// Its ids.
        stamp: Stamp,
    },
    /// Give that up.
    EndGrow,
    /// Ask all gateways to let transactions end and hold new ones.
    BeginHandover(NodeName),
    /// Undo that.
    EndHandover,
    /// Write every transaction beyond the position to a file.
    SaveTail(Position),
    /// Replace the data directory by a copy of `from`'s; the old one is kept beside it.
    Clone {
        /// Whose data.
        from: NodeName,
    },
    /// The operator's wish is over; with a sentence when it was refused or failed.
    EndWish(Option<String>),
}

/// How a server is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StartAs {
    /// Recovery keeps what is in the binlog.
    Ordinary,
    /// Recovery throws away what is prepared and was perhaps acknowledged: for a deposed primary only.
    Destructive,
}

/// What a swap is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Intent {
    /// Move the ledger past a swap that may still land.
    Settle,
    /// A primary confirms that it still is.
    Reclaim,
    /// A fenced member wants to receive again.
    Unfence,
    /// Take members out.
    Shrink,
    /// Take a member in.
    Grow,
    /// Become primary after a failure.
    Promote,
    /// Become primary by the operator's word, whatever may be lost.
    Force,
    /// Hand over as planned.
    Handover,
    /// Leave the set, or move the ledger on, before touching the data.
    Wipe,
    /// Protected again for a while: failovers are counted anew.
    Relief,
}

/// Which end of the binlog is noted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum EndOf {
    /// What the server held when it was reclaimed.
    Reclaim,
    /// What it held when these members were cut.
    Shrink(BTreeSet<NodeName>),
    /// What it held when its first member was connected.
    Grow,
    /// What it held when it was closed.
    Handover,
}

/// What came of an action.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Done.
    Done,
    /// Done, and this is the position asked for.
    At(Position),
    /// What the ledger holds.
    Read(Box<Document>),
    /// The swap won.
    Won,
    /// The swap lost to this document.
    Lost(Box<Document>),
    /// The swap got no answer: it may still land.
    Undecided,
    /// Not done; the sentence says why.
    Failed(String),
}
