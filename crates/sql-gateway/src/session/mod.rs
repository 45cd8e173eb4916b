//! One client's life between login and farewell, without IO: fed with bytes of both sides, it says what goes where.
//!
//! `mod.rs` the machine's fields and questions · `intake.rs` bytes of the client, `request.rs` one command of them, `known.rs` what it was the last time ·
//! `launch.rs` a command goes to the server · `answer.rs` bytes of the server, `answer/packets.rs` what some of them say, `usual.rs` most of them · `loss.rs` what a broken connection means ·
//! `side.rs` primary or replica, `elsewhere.rs` a read on a replica, `replica.rs` what that connection knows ·
//! `state.rs` what a new connection needs · `prepared.rs` statements, `by_id.rs` by their ids, `parameter_types.rs` what they are executed with ·
//! `tag.rs` the mark on writes, `resolve.rs` what became of one in flight, `replay.rs` a transaction once more, out of `transcript.rs`, `stock.rs` its buffers ·
//! `hidden.rs` state that the server's reports do not show · `reading.rs` one that only reads · `choice.rs` one that says what it wants to hear, `assigned.rs` what it sets beside that · `release.rs` one that asks for its end · `farewell.rs` what is left when the client is gone, `parting.rs` an idle one without a connection · `toll.rs` what is counted.

mod answer;
mod assigned;
mod by_id;
mod choice;
mod elsewhere;
mod farewell;
mod hidden;
mod intake;
mod known;
mod launch;
mod loss;
mod parameter_types;
mod parting;
mod past;
mod prepared;
mod preparing;
mod reading;
mod release;
mod replay;
mod replica;
mod request;
mod resolve;
mod side;
mod state;
mod stock;
mod tag;
mod told;
mod toll;
mod transcript;
mod usual;

use std::sync::Arc;

use wire::catalog::Catalog;
use wire::command::{self, Shape};
use wire::flags;
use wire::gtid::Gtid;
use wire::kill::Kill;
use wire::statement::Statement;
use wire::walk::Walker;

use crate::fault::Fault;
pub(crate) use answer::{Given, Refusal};
use choice::Choosing;
use known::Lately;
use parting::Parting;
use past::Past;
use prepared::Statements;
use reading::Reader;
use replica::Replica;
use request::Request;
use resolve::Doubt;
pub(crate) use side::{Place, Side, Surprises, Tie};
use state::State;
pub(crate) use state::query as query_packet;
pub(crate) use state::tracking;
use tag::Signer;
pub(crate) use toll::Toll;
use transcript::Replay;
use wire::outcome::Question;

/// Requests up to this size are kept while they run, so that they can run again.
pub(crate) const KEEP: usize = 256 * 1024;

/// Where the session stands with its current statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Between statements.
    Idle,
    /// A statement is here and must be sent (again).
    Ready,
    /// A prepared statement is prepared on a new connection before its statement is sent.
    Preparing,
    /// Sent; the answer has not ended.
    Flight,
    /// The client sends a file; then the answer goes on.
    Infile,
    /// It was in flight when its connection was lost: what became of it is asked.
    Doubt,
    /// Everything for the client is in the outbox; the connection ends after it.
    Closing,
}

/// Is a transaction open?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transaction {
    /// No.
    None,
    /// Yes, the server said so in its last status.
    Open,
    /// An error answer (which carries no status) leaves it open or not.
    Maybe,
}

/// What the machine wants from its driver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Want {
    /// Bytes.
    Nothing,
    /// A connection to the primary, and [`Session::launch`].
    Send,
    /// The same, but if there is no connection the statement is simply over.
    SendIfConnected,
    /// What became of a write, by [`Session::answered`]: of a primary of a later epoch than the one it was sent to.
    Ask(Question),
    /// Whose KILL this is, by [`Session::resolved`].
    Resolve(Kill),
    /// A login as the user in this COM_CHANGE_USER payload.
    ChangeUser(Vec<u8>),
    /// The end, after the outbox is empty.
    Close,
}

/// One client session.
pub(crate) struct Session {
    deprecate_eof: bool,
    tracks: bool,
    found_rows: bool,
    phase: Phase,
    request: Request,
    command: u8,
    statement: Statement,
    kill: Option<Kill>,
    walker: Walker,
    swallow: Option<Box<Walker>>,
    /// A statement that says or asks what is told of the session's changes.
    choosing: Option<Box<Choosing>>,
    transaction: Transaction,
    status: u16,
    delivered: bool,
    sent: bool,
    failed: bool,
    last_failed: bool,
    ends_after_answer: bool,
    /// The statement that was answered may have told the server to end the connection.
    may_release: bool,
    statement_ref: u32,
    preparing_as: u32,
    refused: Option<Vec<u8>>,
    lost_transaction: bool,
    moved_since_answer: bool,
    state: State,
    statements: Statements,
    /// Reads may be spread; and whether the login's character set is a plain one.
    spreads: Option<bool>,
    /// What names mean, and which state of that knowledge it is; the one that the current statement was looked at with.
    names: Option<Arc<Catalog>>,
    names_version: u64,
    scanned_with: u64,
    /// What its thread has looked at lately.
    lately: Lately,
    replica: Option<Box<Replica>>,
    /// Which side runs the current statement.
    side: Side,
    /// The current statement runs on the primary, whatever it is.
    tied: bool,
    past: Past,
    surprise: Option<u64>,
    /// The replica did not reach its position in time.
    late: bool,
    /// The last transaction this session wrote, as the server told it.
    wrote: Option<Gtid>,
    /// It may have written something later, of which the server has told no id.
    wrote_unsaid: bool,
    signer: Signer,
    replay: Replay,
    doubt: Option<Box<Doubt>>,
    /// Bytes for the client that the machine made; they go out after what was passed on.
    pub(crate) to_client: Vec<u8>,
    /// Bytes for the server that the machine made.
    pub(crate) to_server: Vec<u8>,
    errors: u32,
    toll: Toll,
    /// The client may have seen the server's id of its connection.
    knows_id: bool,
    /// It had something that outlived a COM_RESET_CONNECTION.
    is_marked: bool,
    parting: Parting,
    /// It only reads.
    reader: Option<Box<Reader>>,
}

impl Session {
    /// A session after its first login, on a connection to the server with this status.
    pub(crate) fn new(capabilities: u64, database: &[u8], status: u16) -> Self {
        let deprecate_eof = capabilities & flags::DEPRECATE_EOF != 0;
        let mut session = Self {
            deprecate_eof,
            tracks: capabilities & flags::SESSION_TRACK != 0,
            found_rows: capabilities & flags::FOUND_ROWS != 0,
            phase: Phase::Idle,
            request: Request::default(),
            command: 0,
            statement: Statement::HARMLESS,
            kill: None,
            walker: Walker::new(Shape::Nothing, deprecate_eof),
            swallow: None,
            choosing: None,
            transaction: Transaction::None,
            status,
            delivered: false,
            sent: false,
            failed: false,
            last_failed: false,
            ends_after_answer: false,
            may_release: false,
            statement_ref: 0,
            preparing_as: 0,
            refused: None,
            lost_transaction: false,
            moved_since_answer: false,
            state: State::new(database),
            statements: Statements::default(),
            spreads: None,
            names: None,
            names_version: 0,
            scanned_with: 0,
            lately: Lately::here(),
            replica: None,
            side: Side::Primary,
            tied: false,
            past: Past::default(),
            surprise: None,
            late: false,
            wrote: None,
            wrote_unsaid: false,
            signer: Signer::default(),
            replay: Replay::default(),
            doubt: None,
            to_client: Vec::new(),
            to_server: Vec::new(),
            errors: 0,
            toll: Toll::default(),
            knows_id: false,
            is_marked: false,
            parting: Parting::default(),
            reader: None,
        };
        session.begin_tracking();
        session
    }

    /// What the driver must do now.
    pub(crate) fn want(&self) -> Want {
        match self.phase {
            Phase::Closing => Want::Close,
            Phase::Doubt => self
                .doubt
                .as_ref()
                .map_or(Want::Nothing, |doubt| Want::Ask(doubt.question.clone())),
            Phase::Ready => match self.command {
                command::code::CHANGE_USER => Want::ChangeUser(self.request.payload().to_vec()),
                command::code::STMT_CLOSE => Want::SendIfConnected,
                _ => match self.kill {
                    Some(kill) => Want::Resolve(kill),
                    None => Want::Send,
                },
            },
            _ => Want::Nothing,
        }
    }

    /// From now on writes carry marks of `session` (not 0), so that [`Want::Ask`] can ask for them.
    pub(crate) fn mark_writes(&mut self, session: u64) {
        self.signer.begin(session);
    }

    /// The connection leads to a primary whose history reaches this far.
    pub(crate) fn follow_history(&mut self, behind: crate::behind::Behind) {
        self.signer.follow(behind);
    }

    /// Its phase.
    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// True while a transaction is open or may be, or a statement runs: a drain waits for its end.
    pub(crate) fn is_open(&self) -> bool {
        self.in_transaction() || self.runs_here()
    }

    /// True while a statement runs on the primary.
    fn runs_here(&self) -> bool {
        self.side == Side::Primary
            && matches!(self.phase, Phase::Flight | Phase::Infile | Phase::Preparing)
    }

    /// True while a transaction is open or may be.
    pub(crate) fn in_transaction(&self) -> bool {
        self.transaction != Transaction::None
    }

    /// True while a read outside a transaction waits for the first byte of its answer.
    pub(crate) fn reads_afresh(&self) -> bool {
        self.phase == Phase::Flight
            && self.side == Side::Primary
            && !self.delivered
            && !self.in_transaction()
            && self.statement.is_plain_read()
    }

    /// True when the statement was refused by a read-only server and waits for another one.
    pub(crate) fn was_refused(&self) -> bool {
        self.refused.is_some()
    }

    /// The statement that was refused may be sent again.
    pub(crate) fn ask_again(&mut self) {
        self.refused = None;
    }

    /// True when the client said that it leaves.
    pub(crate) fn said_goodbye(&self) -> bool {
        self.phase == Phase::Closing && self.command == command::code::QUIT
    }

    /// True when the last statement ended with an error.
    pub(crate) fn last_failed(&self) -> bool {
        self.last_failed
    }

    /// The database that a new connection starts with.
    pub(crate) fn database(&self) -> &[u8] {
        self.state.database()
    }

    /// Capabilities changed by COM_SET_OPTION.
    pub(crate) fn adjust(&self, capabilities: u64) -> u64 {
        match self.state.multi_statements {
            Some(true) => capabilities | flags::MULTI_STATEMENTS,
            Some(false) => capabilities & !flags::MULTI_STATEMENTS,
            None => capabilities,
        }
    }

    /// Errors given to the client since the last call.
    pub(crate) fn take_errors(&mut self) -> u32 {
        std::mem::take(&mut self.errors)
    }

    /// True when the client may send bytes that matter now (not only the next statement).
    pub(crate) fn takes_client_bytes(&self) -> bool {
        match self.phase {
            Phase::Idle | Phase::Infile => true,
            Phase::Flight => self.request.streams(),
            Phase::Ready | Phase::Preparing | Phase::Doubt | Phase::Closing => false,
        }
    }

    /// True when the server owes an answer.
    pub(crate) fn awaits_server(&self) -> bool {
        self.swallow.is_some() || self.runs_here()
    }

    /// Answers the current statement with an error, and ends the session if the fault says so.
    pub(crate) fn fail(&mut self, fault: &Fault) {
        if self.replay.runs() {
            self.restore_held();
        }
        self.errors += 1;
        let sequence = self.next_sequence();
        let payload = self.tells(fault);
        wire::packet::put(&mut self.to_client, sequence, &payload);
        let whole = self.request.is_whole();
        self.give_up_replica_answer();
        self.finish();
        if fault.closes() || !whole {
            self.phase = Phase::Closing;
        }
    }

    /// Gives up waiting: the server's own refusal if there was one, else `fault`.
    pub(crate) fn give_up(&mut self, fault: &Fault) {
        match self.refused.take() {
            Some(refusal) => {
                self.to_client.extend_from_slice(&refusal);
                self.finish();
            }
            None => self.fail(fault),
        }
    }

    /// The number of a file's first packet, while the client is asked for one.
    pub(crate) fn file_number(&self) -> Option<u8> {
        (self.phase == Phase::Infile).then(|| self.walker.next_sequence())
    }

    fn next_sequence(&self) -> u8 {
        if self.delivered && self.phase == Phase::Flight {
            self.walker.next_sequence()
        } else {
            self.request.last_sequence().wrapping_add(1)
        }
    }

    /// The current statement is over.
    fn finish(&mut self) {
        self.phase = Phase::Idle;
        self.request.clear();
        self.delivered = false;
        self.sent = false;
        self.refused = None;
        self.kill = None;
        self.side = Side::Primary;
        self.tied = false;
        self.past.settle();
    }
}

#[cfg(test)]
#[path = "../session_tests.rs"]
mod tests;

#[cfg(test)]
mod by_hand;
#[cfg(test)]
mod hidden_tests;
#[cfg(test)]
mod replay_tests;
#[cfg(test)]
mod resolve_tests;
