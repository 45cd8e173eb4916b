//! What can happen at a moment. Each event names the life of the process it is meant for, so that what was
//! meant for one that has ended does nothing.

use std::rc::Rc;

use cluster::{Action, Document, Outcome};

use crate::letter::Letter;

/// The place of a node in the world.
pub(crate) type Id = usize;
/// A process from its start to its end; also whatever else is numbered.
pub(crate) type Life = u64;

/// One event.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    /// For an agent.
    Agent { me: Id, life: Life, what: Stir },
    /// A server has recovered and opens its port.
    Recovered { me: Id, server: Life },
    /// A replica's applying threads go on.
    Apply { me: Id, server: Life },
    /// A statement whose asker has gone is carried out all the same.
    Orphan {
        me: Id,
        agent: Life,
        server: Life,
        action: Box<Action>,
    },
    /// Data arrives at a replica.
    Deliver { stream: Life },
    /// Acknowledgements arrive at a primary.
    Acknowledge { stream: Life },
    /// A stream is looked at: heartbeats, and whether the cable is still there.
    Beat { stream: Life },
    /// One end of a stream notices that the other is gone.
    Notice { stream: Life, end: End },
    /// A request reaches the ledger, or tries to.
    Propose { op: Life },
    /// The ledger has made up its mind about it.
    Commit { op: Life },
    /// A swap that nobody had an answer to arrives at the ledger.
    Land { document: Rc<Document> },
    /// The ledger tells those who reach it what is newest.
    Spread,
    /// A client goes on.
    Client { who: usize, turn: Life },
    /// A client's write reaches a server.
    Write {
        who: usize,
        turn: Life,
        server: Id,
        life: Life,
    },
    /// A client is told.
    Told {
        who: usize,
        turn: Life,
        ok: bool,
        from: Id,
    },
    /// The next fault.
    Fault,
    /// A fault ends.
    Mend { fault: Life },
    /// An agent is started.
    StartAgent { me: Id },
    /// A node has power again.
    PowerOn { me: Id },
    /// The operator does something.
    Operator,
    /// Is everything well again?
    Check,
}

/// What may stir an agent.
#[derive(Clone, Debug)]
pub(crate) enum Stir {
    /// A wait is over.
    Wake { wait: Life },
    /// Something is new.
    News,
    /// The server has told its status, or has not.
    Looked,
    /// The action under way goes on.
    Work { work: Life },
    /// The ledger's answer.
    Answer { work: Life, outcome: Box<Outcome> },
    /// The ledger's newest document, without having been asked.
    Document(Rc<Document>),
    /// The server's process has ended.
    ServerEnded { server: Life },
    /// A health probe begins.
    Probe { server: Life },
    /// It ends.
    Probed { server: Life },
    /// A pause of the conversation with another node is over.
    Talk { to: Id, turn: Life },
    /// A letter.
    Letter {
        from: Id,
        letter: Rc<Letter>,
        call: Call,
    },
    /// No answer has come to a question.
    Unanswered { to: Id, call: Life },
    /// Whoever asked for the newest word gets what there is.
    Owed { to: Id, call: Life },
    /// The replication tunnel is tried.
    Connect { server: Life, attempt: Life },
    /// A pulse is written.
    Pulse,
}

/// What a letter is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Call {
    /// A question; when `fresh`, the newest word is wanted.
    Question { call: Life, fresh: bool },
    /// The answer to one.
    Answer { call: Life },
}

/// One end of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Primary,
    Replica,
}
