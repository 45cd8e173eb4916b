//! The packets of an answer that say something about the session: what is learned from them, and what the client gets
//! instead.

use wire::command::code;
use wire::flags;
use wire::gtid::Gtid;
use wire::packet::{HEADER, put};
use wire::reply::{Change, ErrPacket, OkPacket, changes};
use wire::statement::{Kind as Is, Marks};
use wire::walk::Kind;

use super::Refusal;
use crate::fault::Fault;
use crate::session::side::Side;
use crate::session::state::Pins;
use crate::session::{Phase, Session, Transaction};

impl Session {
    /// A packet of interest; true when it goes to the client as it is.
    pub(super) fn meet(&mut self, kind: Kind, bytes: &[u8], killed: bool) -> Result<bool, Refusal> {
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

    pub(in crate::session) fn meet_eof(&mut self, status: u16) {
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
}
