//! Bytes of the server: passed on as they come, with a look at the few packets that say something about the session
//! (`answer/packets.rs`). Reports of its state are learned, and taken out for clients that did not ask for them. And the
//! answer's end: what the statement leaves behind.

mod packets;

use wire::codec::Malformed;
use wire::command::code;
use wire::statement::{Kind as Is, Marks, Reason, Verdict, names_collation};
use wire::walk::{Step, Stride};

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
        let sets = matches!(self.statement.kind, Is::Set | Is::SetNames);
        if sets && !self.statement.marks.has(Marks::MULTI) && self.leaves_unscoped() {
            self.state.pins.add(Pins::SOMETHING);
        }
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
