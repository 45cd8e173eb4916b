//! A transaction's requests and what their answers came to, kept while it is open, so that it can be run again on the
//! next primary. It goes on there only when every answer is the same; nothing is kept outside transactions.

use wire::command::code;
use wire::packet::HEADER;
use wire::statement::{Kind as Is, Marks};

use super::request::Request;
use super::transcript::{Entry, Held, Sum};
use super::{KEEP, Phase, Session, Transaction};
use crate::fault::Fault;

/// Longer transactions are not run again.
const MAX_STATEMENTS: usize = 100;

impl Session {
    /// A request is sent to the server.
    pub(super) fn note_launch(&mut self) {
        if self.reader.is_some() {
            return;
        }
        let runs = matches!(
            self.command,
            code::QUERY | code::STMT_EXECUTE | code::STMT_BULK_EXECUTE
        );
        let changes = matches!(
            self.command,
            code::STMT_FETCH | code::STMT_SEND_LONG_DATA | code::INIT_DB | code::SET_OPTION
        );
        let first = !self.in_transaction();
        if self.replay.runs() {
            self.replay.listens = true;
            self.replay.sum = Sum::default();
            self.signer.sent(first);
            return;
        }
        if changes && !first {
            self.replay.spoil();
        }
        if !runs {
            return;
        }
        self.signer.sent(first);
        if first {
            self.forget_transaction();
        }
        self.note_write();
        let begins = self.statement.kind == Is::Begin || self.status & wire::flags::AUTOCOMMIT == 0;
        self.replay.listens = !first || begins;
        if self.replay.listens {
            self.replay.sum = Sum::default();
        }
        if self.replay.listens && (self.has_no_beginning(first) || !self.can_run_again()) {
            self.replay.spoil();
        }
    }

    fn has_no_beginning(&self, first: bool) -> bool {
        if first {
            // Limit: what a routine may have said of it, nobody knows.
            let said = self.state.next_transaction.as_deref();
            return said.is_some_and(|text| !text.is_empty());
        }
        // Why: a transaction whose first statement is not here was begun by something else than BEGIN.
        self.replay.entries.is_empty()
    }

    #[inline]
    pub(super) fn forget_transaction(&mut self) {
        if self.replay.is_blank() {
            return;
        }
        for id in self.replay.clear() {
            self.statements.remove(id);
        }
    }

    #[inline]
    fn note_write(&mut self) {
        match self.statement.kind {
            _ if self.statement.is_plain_read() => {}
            Is::Begin | Is::Commit | Is::Rollback | Is::SetNames => {}
            Is::Change if self.own_mark().is_some() => self.replay.marked = true,
            _ if is_savepoint(self.text()) => {}
            _ => self.replay.unmarked = true,
        }
    }

    fn can_run_again(&mut self) -> bool {
        let harm = Marks(
            Marks::MULTI.0
                | Marks::CUT.0
                | Marks::USER_VARIABLE.0
                | Marks::SETS_USER_VARIABLE.0
                | Marks::TEMPORARY.0
                | Marks::NAMED_LOCK.0
                | Marks::TABLE_LOCK.0
                | Marks::SESSION_OBJECT.0
                | Marks::LOOKS_BACK.0,
        );
        let first = !self.in_transaction();
        let long = self.uses_long_data();
        let kind = match self.statement.kind {
            // Why COMMIT: it ends the transaction, and with it what is kept.
            Is::Select | Is::Show | Is::Change | Is::Commit => true,
            Is::Begin => first,
            Is::Other | Is::Rollback => is_savepoint(self.text()),
            _ => false,
        };
        // Why: what the session remembers is now what it was at the end of the transaction, not at its beginning.
        kind && !long
            && !self.remembers()
            && !self.statement.marks.has(harm)
            && self.request.is_kept()
    }

    fn uses_long_data(&mut self) -> bool {
        let id = self.statement_ref;
        self.command != code::QUERY
            && self
                .statements
                .get(id)
                .is_ok_and(|prepared| prepared.long_data)
    }

    /// See [`remembers`].
    pub(super) fn remembers(&self) -> bool {
        if self.command == code::QUERY {
            return remembers(self.text());
        }
        let prepared = self.statements.look(self.statement_ref);
        prepared.is_some_and(|prepared| prepared.remembers)
    }

    /// The text of the statement, of a prepared one, too; empty when it is not kept.
    pub(super) fn text(&self) -> &[u8] {
        if self.command == code::QUERY {
            return self.request.payload().get(1..).unwrap_or_default();
        }
        let prepared = self.statements.look(self.statement_ref);
        prepared
            .and_then(|prepared| prepared.text.as_deref())
            .unwrap_or_default()
    }

    /// The answer of a request has ended: it is kept, if the transaction goes on.
    pub(super) fn note_end(&mut self) {
        if !std::mem::take(&mut self.replay.listens) {
            return;
        }
        if !self.in_transaction() {
            return self.forget_transaction();
        }
        // Why: one that was ended and begun again in one statement has no beginning here.
        if self.replay.spoilt || self.statement.kind == Is::Commit {
            return self.replay.spoil();
        }
        let packet = self.request.packet();
        if self.replay.entries.len() >= MAX_STATEMENTS
            || self.replay.bytes.len() + packet.len() > KEEP
        {
            return self.replay.spoil();
        }
        let entry = Entry {
            end: 0,
            statement: self.statement,
            statement_ref: if self.command == code::QUERY {
                0
            } else {
                self.statement_ref
            },
            sum: self.replay.sum.value(),
        };
        self.replay.add(packet, entry);
    }

    /// The client's statement waits; the transaction before it is run again from its beginning.
    pub(super) fn begin_replay(&mut self) {
        let held = Held {
            request: std::mem::take(&mut self.request),
            command: self.command,
            statement: self.statement,
            statement_ref: self.statement_ref,
        };
        self.replay.held = Some(Box::new(held));
        self.replay.pending = false;
        self.replay.tries += 1;
        self.load(0);
    }

    fn load(&mut self, at: usize) {
        self.replay.at = Some(at);
        let packet = self.replay.packet(at).to_vec();
        let entry = &self.replay.entries[at];
        self.statement = entry.statement;
        self.statement_ref = entry.statement_ref;
        self.command = packet.get(HEADER).copied().unwrap_or_default();
        self.request = Request::of(packet);
        self.phase = Phase::Ready;
    }

    /// An answer of the replay has ended.
    pub(super) fn replayed(&mut self) {
        let Some(at) = self.replay.at else { return };
        let same =
            self.replay.entries.get(at).map(|entry| entry.sum) == Some(self.replay.sum.value());
        if !same || !self.in_transaction() {
            return self.abandon_replay();
        }
        if at + 1 < self.replay.entries.len() {
            return self.load(at + 1);
        }
        self.restore_held();
        self.replay.tries = 0;
        self.toll.replayed += 1;
        self.shows_choice_late();
    }

    /// It came out otherwise: nothing of it stays, and the client is told.
    pub(super) fn abandon_replay(&mut self) {
        self.to_server
            .extend_from_slice(&super::state::query(b"ROLLBACK"));
        let walker = wire::walk::Walker::new(wire::command::Shape::Query, self.deprecate_eof);
        self.swallow = Some(Box::new(walker));
        self.transaction = Transaction::None;
        self.restore_held();
        self.forget_transaction();
        // Why: that command has no answer; the next one is told.
        if self.command == code::STMT_SEND_LONG_DATA {
            self.lost_transaction = true;
            return self.finish();
        }
        self.fail(&Fault::TransactionLost);
    }

    /// The connection broke in the middle of it: once more from the beginning, or given up.
    pub(super) fn replay_lost(&mut self) {
        self.transaction = Transaction::None;
        self.restore_held();
        if self.replay.can() {
            self.replay.plan();
        } else {
            self.forget_transaction();
            self.fail(&Fault::TransactionLost);
        }
    }

    /// The client's statement is the current one again.
    pub(super) fn restore_held(&mut self) {
        self.replay.at = None;
        self.replay.listens = false;
        if let Some(held) = self.replay.held.take() {
            let Held {
                request,
                command,
                statement,
                statement_ref,
            } = *held;
            self.request = request;
            self.command = command;
            self.statement = statement;
            self.statement_ref = statement_ref;
            self.delivered = false;
            self.sent = false;
            self.phase = Phase::Ready;
        }
    }
}

/// True when a text may use what the session remembers of earlier statements: LAST_INSERT_ID(), `@@identity`, LASTVAL(),
/// PREVIOUS VALUE. Another connection remembers it differently, and a write says nothing of that in its answer.
/// Limit: a stored function that does so is not seen.
pub(super) fn remembers(text: &[u8]) -> bool {
    let begins = |rest: &[u8], word: &[u8]| {
        rest.get(..word.len())
            .is_some_and(|part| part.eq_ignore_ascii_case(word))
    };
    let mut rest = text;
    while let Some((first, behind)) = rest.split_first() {
        let is_one = match first | 0x20 {
            b'i' => begins(rest, b"insert_id") || begins(rest, b"identity"),
            b'l' => begins(rest, b"lastval"),
            b'p' => begins(rest, b"previous"),
            _ => false,
        };
        if is_one {
            return true;
        }
        rest = behind;
    }
    false
}

/// SAVEPOINT, RELEASE SAVEPOINT, ROLLBACK TO.
fn is_savepoint(text: &[u8]) -> bool {
    let text = &text[..text.len().min(64)];
    let mut words = text
        .split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty());
    let mut next = || words.next().unwrap_or_default();
    let is = |word: &[u8], wanted: &[u8]| word.eq_ignore_ascii_case(wanted);
    let first = next();
    if is(first, b"release") {
        return is(next(), b"savepoint");
    }
    if is(first, b"rollback") {
        let second = next();
        return is(second, b"to") || is(second, b"work") && is(next(), b"to");
    }
    is(first, b"savepoint")
}
