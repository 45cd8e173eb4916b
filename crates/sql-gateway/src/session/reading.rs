//! A session that only reads, on one replica: what it refuses, how its connection is protected, and what its client
//! hears when the replica is taken away. Nothing of it is written, so nothing is ever in doubt.

use wire::command::{Shape, code};
use wire::flags;
use wire::read_only::{NotARead, refusal};
use wire::statement::{Kind, Marks};
use wire::walk::Walker;

use super::state::{self, Pins};
use super::{Phase, Session, Side, Transaction};
use crate::fault::Fault;

/// Ahead of a statement that makes or drops a temporary table, which the server takes for a write (10.11.19).
const TEMPORARILY: &[u8] = b"SET STATEMENT tx_read_only=0 FOR ";

/// What a session that only reads remembers for it.
#[derive(Debug)]
pub(super) struct Reader {
    /// Where its statements are counted.
    pub(super) counts_as: Side,
    /// A read that is lost before it was answered runs again elsewhere.
    reruns: bool,
}

impl Session {
    /// From now on it only reads. Before its first statement.
    pub(crate) fn only_reads(&mut self) {
        self.reader = Some(Box::new(Reader {
            counts_as: Side::Replica,
            reruns: false,
        }));
        self.to_server.clear();
        self.begin_tracking();
    }

    /// What begins a session on a fresh connection.
    pub(super) fn opening(&self) -> Vec<u8> {
        if self.reader.is_some() {
            state::tracking_reads()
        } else {
            state::tracking()
        }
    }

    /// Its statements are counted for this side from now on.
    pub(crate) fn counts_as(&mut self, side: Side) {
        if let Some(reader) = &mut self.reader {
            reader.counts_as = side;
        }
    }

    /// Its connection is about to be lost: whether a read that has not been answered may run elsewhere.
    pub(crate) fn may_rerun(&mut self, reruns: bool) {
        if let Some(reader) = &mut self.reader {
            reader.reruns = reruns;
        }
    }

    /// The client of a session that only reads hears of its replica, not of the primary.
    pub(super) fn tells(&self, fault: &Fault) -> Vec<u8> {
        if self.reader.is_some() {
            Fault::OfReader(Box::new(fault.clone())).payload()
        } else {
            fault.payload()
        }
    }

    /// The command that begins, when this session, which only reads, refuses it.
    #[cold]
    pub(super) fn refuses(&mut self) -> Option<Fault> {
        let refuse = |why: NotARead| Some(Fault::NotARead(why.words()));
        match self.command {
            code::CREATE_DB | code::DROP_DB => return refuse(NotARead::Writes),
            code::REFRESH | code::SHUTDOWN => return refuse(NotARead::Administers),
            code::QUERY | code::STMT_PREPARE => {}
            _ => return None,
        }
        if !self.request.is_kept() {
            return refuse(NotARead::Hidden);
        }
        let backslash = self.status & flags::NO_BACKSLASH_ESCAPES == 0;
        let text = self.request.payload().get(1..).unwrap_or_default();
        let temporary = self.state.pins.has(Pins::TEMPORARY_TABLES);
        let why = refusal(text, backslash, temporary)?;
        refuse(why)
    }

    /// CREATE and DROP of temporary tables change nothing that stays: this session, which only reads, may.
    #[cold]
    pub(super) fn lets_temporary_pass(&mut self) {
        let several = Marks(Marks::MULTI.0 | Marks::CUT.0);
        let text = self.request.payload().get(1..).unwrap_or_default();
        // Why: `x (` looks like a call, but only a SELECT calls.
        let calls = self.statement.marks.has(Marks::UNKNOWN_FUNCTION) && selects(text);
        let passes =
            self.statement.kind == Kind::Definition && !self.statement.marks.has(several) && !calls;
        if passes {
            let text = [TEMPORARILY, text].concat();
            self.request.replace_text(&text);
        }
    }

    /// The connection was lost while a statement ran.
    pub(super) fn lost_reading(&mut self) {
        let before = std::mem::replace(&mut self.transaction, Transaction::None);
        let outside = before == Transaction::None;
        let reruns = self.reader.as_ref().is_some_and(|reader| reader.reruns);
        let is_short = !matches!(self.command, code::QUERY | code::STMT_EXECUTE);
        let again = is_short || self.only_sets() || (reruns && self.statement.is_plain_read());
        if outside && !self.delivered && self.request.is_kept() && again {
            self.phase = Phase::Ready;
            self.sent = false;
        } else if self.delivered && !self.walker.at_boundary() {
            // Why: in the middle of a packet there is no place for an error.
            self.errors += 1;
            self.phase = Phase::Closing;
        } else if outside {
            self.fail(&Fault::ReadBroken);
        } else {
            self.fail(&Fault::TransactionLost);
        }
    }

    /// Puts the statement that switches tracking on into the outbox; its answer is swallowed.
    pub(super) fn begin_tracking(&mut self) {
        let opening = self.opening();
        self.to_server.extend_from_slice(&opening);
        let walker = Walker::new(Shape::Simple, self.deprecate_eof);
        self.swallow = Some(Box::new(walker));
    }
}

fn selects(text: &[u8]) -> bool {
    let word = b"select";
    text.windows(word.len())
        .any(|part| part.eq_ignore_ascii_case(word))
}
