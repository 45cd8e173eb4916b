//! A command goes to the server: prepared statements first get there what this server has not heard.

use wire::command::{self, Shape, code};
use wire::statement::{Kind, Marks};

use super::parameter_types::ParameterTypes;
use super::past::Burden;
use super::{Phase, Session};
use crate::fault::Fault;

impl Session {
    /// The statement goes to the server now: returns its bytes. The driver has a connection.
    pub(crate) fn launch(&mut self) -> Result<&[u8], Fault> {
        if self.moved_since_answer {
            if self.statement.marks.has(Marks::LOOKS_BACK) {
                return Err(Fault::LooksBack);
            }
            if self.shows_choice_late() {
                return Ok(&[]);
            }
        }
        if let Some(fault) = self.asks_too_late() {
            return Err(fault);
        }
        match self.burden() {
            Burden::Nothing => {}
            Burden::Known { rows, count } => {
                self.carry(rows, count);
                return Ok(&[]);
            }
            Burden::Unknown | Burden::TooMuch => {
                // Why: run again, both run here.
                self.spreads = None;
                return Err(Fault::LooksBack);
            }
        }
        let runs = matches!(
            self.command,
            code::QUERY | code::STMT_EXECUTE | code::STMT_BULK_EXECUTE | code::STMT_FETCH
        );
        if runs
            && std::mem::take(&mut self.lost_transaction)
            && self.statement.kind != Kind::Rollback
        {
            return Err(Fault::TransactionLost);
        }
        if self.replay.is_planned() && self.needs_transaction(runs) {
            if self.statement.kind == Kind::Rollback && runs {
                self.forget_transaction();
            } else {
                self.begin_replay();
            }
        }
        self.refused = None;
        let uses_id = matches!(
            self.command,
            code::STMT_EXECUTE
                | code::STMT_BULK_EXECUTE
                | code::STMT_FETCH
                | code::STMT_SEND_LONG_DATA
        );
        if uses_id && !self.statements.is_here(self.statement_ref) {
            return self.launch_prepare();
        }
        if uses_id || matches!(self.command, code::STMT_RESET | code::STMT_CLOSE) {
            self.address_statement()?;
        }
        self.note_launch();
        let shape = command::shape(self.command).unwrap_or(Shape::Simple);
        let cursor = self.asks_for_cursor();
        self.walker = wire::walk::Walker::new(shape, self.deprecate_eof).may_open_cursor(cursor);
        self.sent = true;
        self.phase = Phase::Flight;
        Ok(self.request.packet())
    }

    /// True when a statement is here that only needs to be sent.
    pub(crate) fn may_launch(&self) -> bool {
        let is_other = matches!(self.command, code::CHANGE_USER | code::STMT_CLOSE);
        self.phase == Phase::Ready && self.kill.is_none() && !is_other
    }

    /// True when the statement is executed with a cursor.
    pub(super) fn asks_for_cursor(&self) -> bool {
        // The byte behind the id.
        self.command == code::STMT_EXECUTE
            && self.request.payload().get(5).is_some_and(|kind| *kind != 0)
    }

    /// True for what must not come before the transaction that it follows.
    fn needs_transaction(&self, runs: bool) -> bool {
        runs || matches!(
            self.command,
            code::INIT_DB | code::SET_OPTION | code::STMT_SEND_LONG_DATA
        )
    }

    /// After a launch: commands without an answer are over when their bytes are.
    pub(crate) fn unanswered_ends(&mut self) {
        if self.phase == Phase::Flight && self.request.is_whole() && self.walker.done() {
            self.finish();
        }
    }

    fn launch_prepare(&mut self) -> Result<&[u8], Fault> {
        if self.shows_choice_late() {
            return Ok(&[]);
        }
        let id = self.statement_ref;
        let prepared = self.statements.get(id)?;
        let text = prepared
            .text
            .as_deref()
            .ok_or(Fault::StatementLost("the text"))?;
        // Why: its names would mean other tables. Without a default database they meant none.
        let is_elsewhere = *prepared.database != *self.state.database();
        if is_elsewhere && !prepared.database.is_empty() {
            return Err(Fault::StatementLost("the default database"));
        }
        // Why: its quotes, its operators or its strings could mean something else.
        if prepared.parsed_with != self.state.parsing {
            return Err(Fault::StatementLost("the sql_mode or character set"));
        }
        let mut payload = Vec::with_capacity(1 + text.len());
        payload.push(code::STMT_PREPARE);
        payload.extend_from_slice(text);
        self.to_server
            .extend_from_slice(&wire::packet::packet(0, &payload));
        self.walker = wire::walk::Walker::new(Shape::Prepare, self.deprecate_eof);
        self.phase = Phase::Preparing;
        Ok(&[])
    }

    /// Puts the server's id into the request, and the parameter types when this server has not heard them.
    fn address_statement(&mut self) -> Result<(), Fault> {
        let id = self.statement_ref;
        let kept = self.request.is_kept();
        let prepared = self.statements.get(id)?;
        let server_id = prepared.server_id.to_le_bytes();
        match self.command {
            code::STMT_EXECUTE | code::STMT_BULK_EXECUTE => {
                let payload = self.request.payload();
                if let Some(place) =
                    ParameterTypes::find(self.command, payload, prepared.parameters)
                {
                    if place.bound {
                        let bound = payload.get(place.at..place.at + place.length);
                        // Why: what ran with other types before would run again with these.
                        if prepared
                            .types
                            .as_deref()
                            .is_some_and(|known| Some(known) != bound)
                        {
                            self.replay.spoil();
                        }
                        prepared.types = payload
                            .get(place.at..place.at + place.length)
                            .map(Into::into);
                        prepared.types_known = true;
                        if let Some(replica) = &mut self.replica {
                            replica.forget_types(id);
                        }
                    } else if !prepared.types_known && prepared.types.is_some() {
                        if !kept {
                            return Err(Fault::StatementLost("the parameter types"));
                        }
                        let types = prepared.types.clone().unwrap_or_default();
                        prepared.types_known = true;
                        let with_types = place.insert(payload, &types);
                        self.request.replace(&with_types);
                    }
                }
            }
            code::STMT_SEND_LONG_DATA => self.statements.long_data_sent(id),
            code::STMT_CLOSE if !self.replay.keeps(id) => self.statements.remove(id),
            _ => {}
        }
        self.request.patch(1, &server_id);
        Ok(())
    }
}
