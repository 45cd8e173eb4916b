//! A read on the replica: what the replica has not heard yet goes ahead of it in the same write, and the answers to that
//! are taken out. A read that has no answer that counts runs again, on the primary.

use wire::command::{Shape, code};
use wire::gtid::Gtid;
use wire::packet::{HEADER, packet};
use wire::reply::ErrPacket;
use wire::statement::{Marks, Verdict};
use wire::walk::Walker;

use super::answer::{Given, Refusal};
use super::parameter_types::ParameterTypes;
use super::replica::{Owed, Replica, Said};
use super::side::Side;
use super::{Phase, Session, state};
use crate::fault::Fault;

/// MariaDB's id for the statement prepared last on the connection: an execution can follow a preparation in one write.
const LAST: u32 = 0xffff_ffff;

/// Errors that are an answer: the query was interrupted, or took longer than it may.
const ANSWERS: [u16; 2] = [1317, 1969];
/// Errors of a statement that only looked like a read: read-only server, read-only transaction, read-only mode.
const SURPRISES: [u16; 3] = [1290, 1792, 1836];

impl Session {
    /// A connection to a replica is there, logged in with this default database.
    pub(crate) fn replica_attached(&mut self, database: &[u8]) {
        self.replica = Some(Box::new(Replica::new(database)));
    }

    /// True while there is a connection to a replica that is of use.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn has_replica(&self) -> bool {
        self.replica
            .as_ref()
            .is_some_and(|replica| !replica.is_unfit)
    }

    /// True when the connection to the replica must be closed, by [`Session::replica_lost`].
    pub(crate) fn replica_is_unfit(&self) -> bool {
        self.replica
            .as_ref()
            .is_some_and(|replica| replica.is_unfit)
    }

    /// True while the replica still owes an answer that nobody wants: reads go to the primary meanwhile.
    pub(crate) fn replica_is_busy(&self) -> bool {
        let owes = |replica: &Replica| !replica.owed.is_empty();
        self.phase != Phase::Flight && self.replica.as_deref().is_some_and(owes)
    }

    /// True when nothing runs on the replica, nothing is owed, and no byte for it waits.
    pub(crate) fn replica_is_at_rest(&self) -> bool {
        self.replica.as_deref().is_some_and(|replica| {
            replica.owed.is_empty()
                && replica.outbox.is_empty()
                && !replica.is_unfit
                && !(self.side == Side::Replica && self.phase == Phase::Flight)
        })
    }

    /// Bytes for the replica.
    pub(crate) fn take_to_replica(&mut self) -> Vec<u8> {
        self.replica
            .as_mut()
            .map_or_else(Vec::new, |replica| std::mem::take(&mut replica.outbox))
    }

    /// Which side runs the current statement.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn side(&self) -> Side {
        self.side
    }

    /// True when there are such.
    pub(crate) fn has_more_for_replica(&self) -> bool {
        let has_more = |replica: &Replica| !replica.outbox.is_empty();
        self.replica.as_deref().is_some_and(has_more)
    }

    /// True when the statement asks, or may ask, about the one before it.
    pub(crate) fn looks_back(&self) -> bool {
        self.statement.verdict() == Verdict::Follows || self.statement.marks.has(Marks::LOOKS_BACK)
    }

    /// Sends the statement to the replica, behind all that it has not heard: returns its bytes, or nothing when they are
    /// behind others in [`Self::take_to_replica`]. `wait`: SQL that answers with one row of one number, 0 when the
    /// replica is as far as the read needs. Only when [`Session::place`] allows; `None` when the statement must go to the
    /// primary after all.
    pub(crate) fn launch_elsewhere(&mut self, wait: Option<&str>) -> Option<&[u8]> {
        let mut replica = self.replica.take()?;
        let ready = replica.owed.is_empty() && !replica.is_unfit;
        let follows = self.statement.verdict() == Verdict::Follows;
        let sent = ready
            && (follows || self.set_up(&mut replica, wait))
            && self.address_elsewhere(&mut replica);
        let mut is_behind = false;
        if sent {
            is_behind = !replica.outbox.is_empty();
            if is_behind {
                replica.outbox.extend_from_slice(self.request.packet());
            }
            replica.owed.push_back(Owed::Answer);
            self.walker = Walker::new(Shape::Query, self.deprecate_eof);
            self.side = Side::Replica;
            self.sent = true;
            self.phase = Phase::Flight;
        } else {
            // Why: what was written for it would be answered without being owed.
            self.tied = true;
            replica.is_unfit |= !replica.outbox.is_empty();
            replica.outbox.clear();
        }
        self.replica = Some(replica);
        sent.then(|| {
            if is_behind {
                &[]
            } else {
                self.request.packet()
            }
        })
    }

    fn set_up(&self, replica: &mut Replica, wait: Option<&str>) -> bool {
        let mut ask = |packet: &[u8], owed| {
            replica.outbox.extend_from_slice(packet);
            replica.owed.push_back(owed);
        };
        if std::mem::take(&mut replica.is_stale) {
            ask(&packet(0, &[code::RESET_CONNECTION]), Owed::Setting);
            replica.told = None;
            replica.prepared.clear();
        }
        let database = self.state.database();
        if *replica.database != *database {
            if database.is_empty() {
                return false;
            }
            let payload = [&[code::INIT_DB], database].concat();
            ask(&packet(0, &payload), Owed::Setting);
            replica.database = database.into();
        }
        if replica.told != Some(self.state.version) {
            if let Some(set) = self.state.settings() {
                ask(&state::query(set.as_bytes()), Owed::Setting);
            }
            replica.told = Some(self.state.version);
        }
        if let Some(wait) = wait {
            ask(&state::query(wait.as_bytes()), Owed::Wait);
        }
        true
    }

    /// A prepared statement is prepared there when it is not yet, and executed under the replica's id.
    fn address_elsewhere(&mut self, replica: &mut Replica) -> bool {
        if self.command != code::STMT_EXECUTE {
            return true;
        }
        let id = self.statement_ref;
        let Ok(prepared) = self.statements.get(id) else {
            return false;
        };
        let version = self.names_version;
        // Why: what was defined since is no news to a client that has heard of it from the primary.
        if replica
            .prepared
            .get(id)
            .is_some_and(|there| there.names != version)
        {
            replica.close(id);
        }
        let there = replica.prepared.get_mut(id);
        let is_new = there.is_none();
        let types_known = there.as_ref().is_some_and(|there| there.types_known);
        let server_id = there.as_ref().map_or(LAST, |there| there.server_id);
        if let (true, Some(text)) = (is_new, &prepared.text) {
            let payload = [&[code::STMT_PREPARE], &**text].concat();
            replica.outbox.extend_from_slice(&packet(0, &payload));
            replica.owed.push_back(Owed::Prepared(id, version));
        }
        let payload = self.request.payload();
        if let Some(place) = ParameterTypes::find(self.command, payload, prepared.parameters) {
            if place.bound {
                let types = payload.get(place.at..place.at + place.length);
                prepared.types = types.map(Into::into);
                // Why: the primary has not heard these.
                prepared.types_known = false;
            } else if !types_known {
                let Some(types) = &prepared.types else {
                    return false;
                };
                let with_types = place.insert(payload, types);
                self.request.replace(&with_types);
            }
        }
        if let Some(there) = there {
            there.types_known = true;
        }
        self.request.patch(1, &server_id.to_le_bytes());
        true
    }

    /// Takes bytes of the replica; as [`Session::server_bytes`].
    pub(crate) fn replica_bytes(&mut self, input: &[u8], killed: bool) -> Result<Given, Refusal> {
        let mut at = 0;
        loop {
            let given = self.replica_step(&input[at..], killed)?;
            let untouched = given.pass == given.used && self.to_client.is_empty();
            let total = Given {
                used: at + given.used,
                pass: at + given.pass,
            };
            let goes_on = self.phase == Phase::Flight && self.side == Side::Replica;
            if !untouched || total.used == input.len() || !goes_on || given.used == 0 {
                return Ok(total);
            }
            at = total.used;
        }
    }

    fn replica_step(&mut self, input: &[u8], killed: bool) -> Result<Given, Refusal> {
        let replica = self.replica.as_mut().ok_or(Refusal::Broken)?;
        let owed = *replica.owed.front().ok_or(Refusal::Broken)?;
        if owed == Owed::Answer {
            let given = self.answer_step(input, killed)?;
            // Why: no plain read asks for a file.
            if self.phase == Phase::Infile {
                return Err(Refusal::Broken);
            }
            return Ok(given);
        }
        let (used, said) = replica.take(owed, input, self.deprecate_eof)?;
        match said {
            Said::More | Said::Good => {}
            Said::Unfit => {
                replica.is_unfit = true;
                self.runs_on_primary();
            }
            Said::NotReached => {
                self.late = true;
                self.runs_on_primary();
            }
            Said::NotPrepared => self.runs_on_primary(),
            Said::Rows(rows) => {
                self.take_rows(rows);
                self.runs_on_primary();
            }
        }
        Ok(Given { used, pass: 0 })
    }

    /// The read in flight gets no answer from the replica that counts: it waits for the primary.
    fn runs_on_primary(&mut self) {
        if let Some(replica) = &mut self.replica {
            replica.forget_answer();
        }
        if self.phase == Phase::Flight && self.side == Side::Replica {
            self.side = Side::Primary;
            self.tied = true;
            self.sent = false;
            self.phase = Phase::Ready;
        }
    }

    /// An error of the replica; true when it is the client's answer.
    pub(super) fn meet_replica_err(&mut self, bytes: &[u8]) -> bool {
        let code = ErrPacket::parse(&bytes[HEADER..]).map_or(0, |err| err.code);
        let follows = self.statement.verdict() == Verdict::Follows;
        if self.delivered || follows || ANSWERS.contains(&code) {
            self.failed = true;
            return true;
        }
        if SURPRISES.contains(&code) {
            self.surprise = Some(self.statement.digest);
        }
        if let Some(replica) = &mut self.replica {
            replica.owed.pop_front();
        }
        self.runs_on_primary();
        false
    }

    /// The answer of a replica has ended.
    pub(super) fn replica_answered(&mut self) {
        if let Some(replica) = &mut self.replica
            && self.side == Side::Replica
        {
            replica.owed.pop_front();
        }
    }

    /// The client gets something else than the answer that is on its way.
    pub(super) fn give_up_replica_answer(&mut self) {
        if self.side == Side::Replica
            && let Some(replica) = &mut self.replica
        {
            let idle = Walker::new(Shape::Nothing, self.deprecate_eof);
            replica.give_up(std::mem::replace(&mut self.walker, idle));
        }
    }

    /// The connection to the replica is gone, or was closed. Returns true when the current statement waits for the
    /// primary.
    pub(crate) fn replica_lost(&mut self) -> bool {
        self.replica = None;
        if self.side != Side::Replica || self.phase != Phase::Flight {
            return self.phase == Phase::Ready;
        }
        if self.statement.verdict() == Verdict::Follows && !self.delivered {
            self.fail(&Fault::LooksBack);
        } else if !self.delivered {
            self.runs_on_primary();
        } else if self.walker.at_boundary() {
            self.fail(&Fault::ReadBroken);
        } else {
            // Why: in the middle of a packet there is no place for an error.
            self.errors += 1;
            self.phase = Phase::Closing;
        }
        self.phase == Phase::Ready
    }

    /// The client has closed a prepared statement: the replica hears it with the next read.
    pub(super) fn close_elsewhere(&mut self, id: u32) {
        if let Some(replica) = &mut self.replica {
            replica.close(id);
        }
    }

    /// The primary has run a prepared statement: its answer says what was defined since it was prepared.
    pub(super) fn ran_here(&mut self) {
        let version = self.names_version;
        if self.side == Side::Primary
            && let Ok(prepared) = self.statements.get(self.statement_ref)
        {
            prepared.ran_with = version;
        }
    }

    /// The server has told the id of a transaction of this session.
    pub(super) fn remember_write(&mut self, gtid: Option<Gtid>) {
        if let Some(gtid) = gtid {
            self.wrote_as(gtid);
        }
    }

    /// This is its last transaction. One is remembered: who writes in several domains reads on the primary.
    pub(super) fn wrote_as(&mut self, gtid: Gtid) {
        if self.wrote.is_some_and(|last| last.domain != gtid.domain) {
            self.spreads = None;
        }
        self.wrote = Some(gtid);
        self.wrote_unsaid = false;
    }

    /// A statement has failed: what of it is committed all the same, by a procedure or in a table without transactions,
    /// the server does not say.
    pub(super) fn may_have_written(&mut self) {
        self.wrote_unsaid |= !self.statement.is_plain_read();
    }

    /// True when all that this session has written is known by [`Self::wrote`].
    pub(crate) fn knows_its_writes(&self) -> bool {
        !self.wrote_unsaid
    }

    /// Whether the replica did not reach the position of a read in time, once.
    pub(crate) fn take_late(&mut self) -> bool {
        std::mem::take(&mut self.late)
    }

    /// True when the last statement was answered by the replica.
    pub(crate) fn was_elsewhere(&self) -> bool {
        self.past.last == Side::Replica
    }

    /// The last transaction this session wrote, if it wrote any.
    pub(crate) fn wrote(&self) -> Option<Gtid> {
        self.wrote
    }
}
