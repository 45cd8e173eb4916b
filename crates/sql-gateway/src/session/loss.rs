//! The connection to the server is gone: what does the client hear, and what can go on elsewhere?

use wire::statement::{Kind, Marks};

use super::side::Side;
use super::{Phase, Session, Transaction};
use crate::fault::Fault;
use wire::flags;

impl Session {
    /// The connection is gone (broken, or cut because another server is the primary). Returns true when the
    /// current statement waits for another connection.
    pub(crate) fn lost(&mut self) -> bool {
        self.statements.reconnected();
        self.swallow = None;
        self.loses_choice();
        self.to_server.clear();
        self.moved_since_answer = true;
        if self.replay.runs() {
            self.replay_lost();
            return self.phase == Phase::Ready;
        }
        let elsewhere = self.side == Side::Replica;
        match self.phase {
            Phase::Flight if elsewhere => {}
            Phase::Idle | Phase::Ready | Phase::Preparing => {
                if self.in_transaction() && self.replay.can() {
                    self.replay.plan();
                } else {
                    self.lost_transaction |= self.in_transaction();
                }
                self.transaction = Transaction::None;
                if self.phase == Phase::Preparing {
                    self.phase = Phase::Ready;
                }
            }
            Phase::Flight | Phase::Infile => self.lost_in_flight(),
            Phase::Doubt | Phase::Closing => {}
        }
        self.phase == Phase::Ready
    }

    /// The same when somebody killed it: the client's connection ends, too, and nothing of it is run again.
    pub(crate) fn killed(&mut self) {
        let is_open = self.transaction == Transaction::Open || self.status & flags::AUTOCOMMIT == 0;
        let is_undone = self.statement.is_plain_read()
            || self.only_sets()
            || self.reader.is_some()
            || self.replay.runs()
            || (is_open && self.statement.dies_with_its_transaction());
        match self.phase {
            Phase::Idle => self.phase = Phase::Closing,
            Phase::Ready | Phase::Preparing => self.fail(&Fault::Killed),
            // Why no word: as with a server; in the middle of a packet there is no place for one.
            Phase::Flight | Phase::Infile if self.delivered => {
                self.errors += 1;
                self.phase = Phase::Closing;
            }
            Phase::Flight | Phase::Infile if is_undone => self.fail(&Fault::Killed),
            Phase::Flight | Phase::Infile => self.fail(&Fault::KilledInFlight),
            Phase::Doubt | Phase::Closing => {}
        }
    }

    fn lost_in_flight(&mut self) {
        if self.reader.is_some() {
            return self.lost_reading();
        }
        let before = std::mem::replace(&mut self.transaction, Transaction::None);
        let outside = before == Transaction::None;
        let read = self.statement.is_plain_read();
        if outside
            && !self.delivered
            && self.request.is_kept()
            && (read || !self.sent || self.only_sets())
        {
            self.phase = Phase::Ready;
            self.sent = false;
            return;
        }
        if self.doubts(before) {
            return;
        }
        let implicit = outside && self.status & flags::AUTOCOMMIT == 0;
        let repeats = !outside && self.replay.can();
        if repeats
            && !self.delivered
            && self.request.is_kept()
            && self.statement.dies_with_its_transaction()
        {
            self.replay.plan();
            self.phase = Phase::Ready;
            self.sent = false;
            return;
        }
        let fault = if outside && read {
            Fault::ReadBroken
        } else if (before == Transaction::Open || implicit)
            && self.statement.dies_with_its_transaction()
        {
            Fault::TransactionLost
        } else {
            Fault::OutcomeUnknown
        };
        if self.delivered && !self.walker.at_boundary() {
            // Why: in the middle of a packet there is no place for an error.
            self.errors += 1;
            self.phase = Phase::Closing;
            return;
        }
        self.fail(&fault);
    }

    /// A statement that only sets this session's state: running it again is right.
    pub(super) fn only_sets(&self) -> bool {
        let sets = matches!(
            self.statement.kind,
            Kind::Set
                | Kind::SetNames
                | Kind::SetTransaction
                | Kind::Use
                | Kind::Begin
                | Kind::Rollback
        );
        let harm =
            Marks::MULTI.0 | Marks::CUT.0 | Marks::SETS_USER_VARIABLE.0 | Marks::UNKNOWN_FUNCTION.0;
        sets && !self.statement.marks.has(Marks(harm))
    }

    /// Not one byte of the statement left for the server.
    pub(crate) fn not_sent(&mut self) {
        self.sent = false;
    }

    /// There is no connection, and the statement matters only to one.
    pub(crate) fn skip(&mut self) {
        self.finish();
    }

    /// Why this session cannot be made again on another connection, if so.
    pub(crate) fn obstacle(&self) -> Option<Fault> {
        if self.statements.has_cursor() {
            return Some(Fault::CannotMove("a session with an open cursor"));
        }
        self.state.pins.obstacle().map(Fault::CannotMove)
    }

    /// The statements that make this session on a fresh connection; each must be answered with OK.
    pub(crate) fn script(&self) -> Vec<Vec<u8>> {
        let mut script = self.state.script();
        if let (Some(_), Some(first)) = (&self.reader, script.first_mut()) {
            first.push_str(", ");
            first.push_str(super::state::READS);
        }
        let texts = script.iter();
        texts
            .map(|text| super::state::query(text.as_bytes()))
            .collect()
    }

    /// The session stands on a fresh connection.
    pub(crate) fn moved(&mut self, status: u16) {
        self.is_back();
        let kept = flags::NO_BACKSLASH_ESCAPES;
        self.status = (status & !kept) | (self.status & kept);
    }
}
