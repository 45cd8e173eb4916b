//! Bytes of the server: passed on as they come, with a look at the few packets that say something about the
//! session. Reports of the session's state are learned, and taken out for clients that did not ask for them.

use wire::codec::Malformed;
use wire::command::code;
use wire::flags;
use wire::gtid::Gtid;
use wire::packet::{HEADER, put};
use wire::reply::{Change, ErrPacket, OkPacket, changes};
use wire::statement::{Kind as Is, Marks, Reason, Verdict, names_collation};
use wire::walk::{Kind, Step, Stride};

use super::side::Side;
use super::state::Pins;
use super::{Phase, Session, Transaction};
use crate::fault::Fault;

/// `SET TRANSACTION` texts longer than this are not kept.
const MAX_SET_TRANSACTION: usize = 256;

/// What was done with the server's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Given {
    /// Bytes dealt with.
    pub(crate) used: usize,
    /// The first bytes of them that go to the client as they are, before `to_client`.
    pub(crate) pass: usize,
}

/// Why the server's bytes could not be taken.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// They make no sense, or nobody asked for them: the connection is of no more use.
    Broken,
    /// This must be told to the client instead.
    Tell(Fault),
}

impl From<Malformed> for Refusal {
    fn from(_: Malformed) -> Self {
        Self::Broken
    }
}

impl Session {
    /// Takes bytes of the server. `killed`: a KILL was under way while the statement ran.
    #[inline]
    pub(crate) fn server_bytes(&mut self, input: &[u8], killed: bool) -> Result<Given, Refusal> {
        let mut at = 0;
        loop {
            let given = self.server_step(&input[at..], killed)?;
            let untouched = given.pass == given.used && self.to_client.is_empty();
            let total = Given {
                used: at + given.used,
                pass: at + given.pass,
            };
            if !untouched || total.used == input.len() || !self.awaits_server() || given.used == 0 {
                return Ok(total);
            }
            at = total.used;
        }
    }

    #[inline]
    fn server_step(&mut self, input: &[u8], killed: bool) -> Result<Given, Refusal> {
        if self.swallow.is_some() {
            return self.swallow_step(input);
        }
        match self.phase {
            Phase::Preparing => self.preparing_step(input),
            Phase::Flight | Phase::Infile if self.side == Side::Primary => {
                self.answer_step(input, killed)
            }
            _ => Err(Refusal::Broken),
        }
    }

    pub(super) fn answer_step(&mut self, input: &[u8], killed: bool) -> Result<Given, Refusal> {
        let quiet = self.replay.runs();
        let Stride { over, end } = if self.owes_status() {
            Stride { over: 0, end: None }
        } else {
            self.walker.stride(input)
        };
        if over > 0 {
            self.stride(&input[..over], end);
            return Ok(Given {
                used: over,
                pass: if quiet { 0 } else { over },
            });
        }
        let before = self.to_client.len();
        let mut given = match self.walker.step(input)? {
            Step::Pass { pass, used } => {
                self.replay.hear(&input[..pass]);
                self.delivered |= pass > 0;
                Given { used, pass }
            }
            Step::Kept { bytes, used } => {
                self.replay.hear(&bytes);
                self.delivered = true;
                self.to_client.extend_from_slice(&bytes);
                Given { used, pass: 0 }
            }
            Step::Packet { kind, length } => {
                let as_is = self.meet(kind, &input[..length], killed)?;
                Given {
                    used: length,
                    pass: if as_is { length } else { 0 },
                }
            }
            Step::KeptPacket { kind, bytes, used } => {
                if self.meet(kind, &bytes, killed)? {
                    self.to_client.extend_from_slice(&bytes);
                }
                Given { used, pass: 0 }
            }
        };
        if quiet {
            self.to_client.truncate(before);
            given.pass = 0;
        }
        if self.phase == Phase::Flight && self.walker.done() {
            self.ended();
        }
        Ok(given)
    }

    /// A packet of interest; true when it goes to the client as it is.
    fn meet(&mut self, kind: Kind, bytes: &[u8], killed: bool) -> Result<bool, Refusal> {
        self.replay.hear_packet(kind, bytes);
        let as_is = match kind {
            Kind::Ok(_) => self.meet_ok(bytes, killed)?,
            Kind::Eof(status) => {
                let warnings = bytes.get(HEADER + 1..HEADER + 3);
                let warnings = warnings.and_then(|count| count.first_chunk().copied());
                self.note_warnings(warnings.map_or(0, u16::from_le_bytes));
                self.meet_eof(status);
                self.tells_eof(bytes, status)
            }
            Kind::Err => self.meet_err(bytes),
            Kind::Progress => true,
            Kind::LocalInfile => {
                self.phase = Phase::Infile;
                true
            }
            Kind::Prepared => self.meet_prepared(bytes),
        };
        self.delivered |= self.phase != Phase::Ready;
        if as_is && self.owes_status() && matches!(kind, Kind::Ok(_) | Kind::Eof(_)) {
            let bytes = self.with_own_status(kind, bytes);
            self.to_client.extend_from_slice(&bytes);
            return Ok(false);
        }
        Ok(as_is)
    }

    fn meet_ok(&mut self, bytes: &[u8], killed: bool) -> Result<bool, Refusal> {
        let ok = OkPacket::parse(&bytes[HEADER..])?;
        // Why: KILL QUERY makes a commit that waits for its acknowledgement say OK for a write nobody else has.
        if killed && !self.statement.is_plain_read() {
            return Err(Refusal::Tell(Fault::OutcomeUnknown));
        }
        self.signer.answered();
        self.note_change();
        self.note_warnings(ok.warnings);
        self.note_id(ok.insert_id);
        if self.side == Side::Primary {
            self.take_status(ok.status);
            if ok.insert_id != 0 {
                self.state.last_insert_id = ok.insert_id;
            }
            self.learn(ok.changes);
        }
        let Some(told) = self.told_of(&ok) else {
            return Ok(true);
        };
        put(&mut self.to_client, bytes[3], &told);
        Ok(false)
    }

    pub(super) fn meet_eof(&mut self, status: u16) {
        if self.side == Side::Replica {
            return;
        }
        self.take_status(status);
        // Why: an EOF has the flag without the details: a write with RETURNING, or state that a function in a read made. The
        // server tells them with the next OK that has the flag, also of statements between (10.11.19).
        if status & flags::STATE_CHANGED != 0 && self.statement.kind != Is::SetStatement {
            self.state.pins.add(Pins::UNTOLD);
        }
    }

    fn meet_err(&mut self, bytes: &[u8]) -> bool {
        let Some(err) = ErrPacket::parse(&bytes[HEADER..]) else {
            return true;
        };
        if self.side == Side::Replica {
            return self.meet_replica_err(bytes);
        }
        let read_only =
            err.code == 1290 && err.message.windows(11).any(|part| part == b"--read-only");
        if read_only
            && self.reader.is_none()
            && !self.delivered
            && !self.in_transaction()
            && self.request.is_kept()
            && self.statement.is_refused_whole()
        {
            self.refused = Some(bytes.to_vec());
            self.phase = Phase::Ready;
            self.sent = false;
            return false;
        }
        self.may_have_written();
        let single = !self
            .statement
            .marks
            .has(Marks(Marks::MULTI.0 | Marks::CUT.0));
        let known = single && self.statement.kind != Is::Other;
        let autocommit = self.status & flags::AUTOCOMMIT != 0;
        if self.in_transaction() || !(known && autocommit) {
            self.transaction = Transaction::Maybe;
        }
        if single && !self.delivered {
            // Why: a statement that failed as a whole left no state behind.
            self.statement.marks = Marks(self.statement.marks.0 & Marks::TRACKING.0);
        }
        // Why: the server closes a killed connection; so do we, instead of silently opening another one.
        self.ends_after_answer |= err.code == 1927;
        self.failed = true;
        true
    }

    fn meet_prepared(&mut self, bytes: &[u8]) -> bool {
        let payload = &bytes[HEADER..];
        let (Some(id), Some(parameters)) = (payload.get(1..5), payload.get(7..9)) else {
            return true;
        };
        let server_id = id.first_chunk().copied().map_or(0, u32::from_le_bytes);
        let parameters = parameters
            .first_chunk()
            .copied()
            .map_or(0, u16::from_le_bytes);
        let backslash = self.status & flags::NO_BACKSLASH_ESCAPES == 0;
        let text = self.request.payload().get(1..).unwrap_or_default();
        let kept = self.request.is_kept();
        let mut statement = self.scan(text, backslash);
        if !kept {
            statement.marks.add(Marks::CUT);
        }
        let ours = self.statements.add(
            kept.then_some(text),
            statement,
            self.state.database(),
            (server_id, parameters),
        );
        let scanned_with = self.names_version;
        if let Ok(prepared) = self.statements.get(ours) {
            (prepared.scanned_with, prepared.backslash) = (scanned_with, backslash);
            prepared.ran_with = scanned_with;
            prepared.parsed_with = self.state.parsing;
        }
        let mut renamed = bytes.to_vec();
        renamed[HEADER + 1..HEADER + 5].copy_from_slice(&ours.to_le_bytes());
        self.to_client.extend_from_slice(&renamed);
        false
    }

    fn take_status(&mut self, status: u16) {
        self.status = status;
        let open = status & flags::IN_TRANSACTION != 0;
        self.transaction = if open {
            Transaction::Open
        } else {
            Transaction::None
        };
        if self.command == code::STMT_FETCH || self.asks_for_cursor() {
            let id = self.statement_ref;
            if let Ok(prepared) = self.statements.get(id) {
                let cursor =
                    status & flags::CURSOR_EXISTS != 0 && status & flags::LAST_ROW_SENT == 0;
                prepared.cursor = cursor;
            }
        }
    }

    fn learn(&mut self, reported: &[u8]) {
        let (mut something, mut sets) = (false, false);
        let is_single = !self.statement.marks.has(Marks::MULTI);
        let passing = self.statement.kind == Is::SetStatement && is_single;
        for change in changes(reported) {
            match change {
                Change::Variable(b"last_gtid", gtid) => {
                    let gtid = Gtid::read(gtid);
                    self.signer.committed(gtid);
                    self.remember_write(gtid);
                    // Why: a part of the transaction that is committed must not run again.
                    if self.in_transaction() {
                        self.replay.spoil();
                    }
                }
                // Why: it is as the client wanted it, and what it chose is asked for.
                Change::Variable(name, _)
                    if self.choosing.is_some() && name.starts_with(b"session_track_") => {}
                // Why: the variables of SET STATEMENT are reported with the value they had for it (10.11.19).
                Change::Variable(name, value) if !passing => {
                    sets = true;
                    self.state.variable(name, value);
                }
                Change::Variable(..) => sets = true,
                Change::Database(name) => {
                    sets = true;
                    self.state.set_database(name);
                }
                Change::Something => something = true,
            }
        }
        if !reported.is_empty() && self.state.pins.has(Pins::UNTOLD) {
            self.state.pins.remove(Pins::UNTOLD);
            if something {
                self.state.pins.add(Pins::SOMETHING);
            }
        }
        let explained = Marks::SETS_USER_VARIABLE.0 | Marks::TEMPORARY.0 | Marks::SESSION_OBJECT.0;
        let unexplained = something && !sets && !self.statement.marks.has(Marks(explained));
        // Why: a routine may set variables that are reported and, beside them, ones that are not.
        let calls = is_single && self.statement.marks.has(Marks::UNKNOWN_FUNCTION);
        let hidden = something
            && match self.statement.kind {
                Is::Other => self.command != code::INIT_DB,
                Is::Select | Is::Change => calls && sets,
                _ => false,
            };
        if (unexplained && self.statement.kind != Is::SetRole) || hidden {
            self.state.pins.add(Pins::SOMETHING);
        }
    }

    /// The answer has ended: what does the statement leave behind?
    pub(super) fn ended(&mut self) {
        self.moved_since_answer = false;
        self.replica_answered();
        self.remember_side();
        let failed = std::mem::take(&mut self.failed);
        self.last_failed = failed;
        self.note_answered(failed);
        self.may_release = false;
        if !failed {
            self.after_success();
        }
        if self.statement.marks.has(Marks::MULTI) {
            self.note_several();
            self.note_several_release(failed);
        }
        self.pin();
        let bulk = self.command == code::STMT_BULK_EXECUTE;
        let wrote = self.statement.kind == Is::Change && (!failed || bulk);
        self.signer.ended(wrote);
        let replays = self.replay.runs();
        if !replays {
            self.note_end();
            self.note_toll(failed);
        }
        let closes = std::mem::take(&mut self.ends_after_answer);
        let reset = self.command == code::RESET_CONNECTION && !failed;
        let whole = self.request.is_whole();
        self.finish();
        if replays {
            return self.replayed();
        }
        if reset {
            self.begin_tracking();
        }
        if closes || !whole {
            self.phase = Phase::Closing;
        }
    }

    fn pin(&mut self) {
        let marks = self.statement.marks;
        if marks == Marks::default() {
            return;
        }
        if marks.has(Marks::TRACKING) {
            self.chose();
        }
        for (mark, pin) in [
            (Marks::SETS_USER_VARIABLE, Pins::USER_VARIABLES),
            (Marks::NAMED_LOCK, Pins::NAMED_LOCKS),
            (Marks::TABLE_LOCK, Pins::TABLE_LOCKS),
            (Marks::SESSION_OBJECT, Pins::SESSION_OBJECTS),
        ] {
            if marks.has(mark) {
                self.state.pins.add(pin);
            }
        }
        if marks.has(Marks::TEMPORARY) && !marks.has(Marks::DROP) {
            self.state.pins.add(Pins::TEMPORARY_TABLES);
        }
        // Why not of others: they begin a transaction, for which it holds.
        let may_stay = matches!(self.statement.kind, Is::Select | Is::Set);
        if marks.has(Marks::UNKNOWN_FUNCTION) && may_stay && !self.reads_tables() {
            self.note_routine(Verdict::Primary(Reason::UnknownFunction));
        }
    }

    fn after_success(&mut self) {
        match self.command {
            code::RESET_CONNECTION => {
                self.is_marked |= self.outlives_reset();
                self.state.reset();
                if let Some(replica) = &mut self.replica {
                    replica.is_stale = true;
                }
                self.statements.clear();
                self.transaction = Transaction::None;
                self.lost_transaction = false;
                self.forget_transaction();
            }
            code::SET_OPTION => {
                self.state.multi_statements = Some(self.request.payload().get(1) == Some(&0));
            }
            code::STMT_EXECUTE | code::STMT_BULK_EXECUTE => {
                self.statements.long_data_used(self.statement_ref);
                self.ran_here();
            }
            _ => {}
        }
        if self.command == code::QUERY || self.command == code::STMT_EXECUTE {
            self.after_statement();
        }
    }

    fn after_statement(&mut self) {
        let text = self.request.payload().get(1..).unwrap_or_default();
        match self.statement.kind {
            Is::SetTransaction => {
                let short = self.command == code::QUERY
                    && text.len() <= MAX_SET_TRANSACTION
                    && !self.statement.marks.has(Marks::MULTI);
                if short && !self.in_transaction() {
                    self.state.next_transaction = Some(text.into());
                } else if !short {
                    self.state.pins.add(Pins::ONE_SHOT);
                }
            }
            Is::SetNames if self.statement.marks.has(Marks::COLLATE) => {
                match names_collation(text).filter(|_| self.command == code::QUERY) {
                    Some(name) => {
                        let name = name.to_owned();
                        self.state.names(&name);
                    }
                    None => self.state.pins.add(Pins::UNTRACKED),
                }
            }
            Is::SetRole => self.state.pins.add(Pins::ROLE),
            Is::Unlock => self.state.pins.remove(Pins::TABLE_LOCKS),
            Is::Set | Is::SetStatement if !self.statement.marks.has(Marks::MULTI) => {
                self.note_hidden();
            }
            Is::Set | Is::SetNames | Is::SetStatement | Is::Show | Is::Use => {}
            // Why: one without tables begins no transaction.
            Is::Select if self.state.next_transaction.is_some() && !self.reads_tables() => {}
            Is::Commit | Is::Rollback | Is::Other => {
                self.state.next_transaction = None;
                self.note_routine(self.statement.verdict());
                self.note_release();
            }
            _ => self.state.next_transaction = None,
        }
    }
}
