//! Bytes of the client: a command is collected, looked at and made ready.

use wire::command::{self, code};
use wire::flags;
use wire::kill::Kill;
use wire::statement::{Kind, Marks, Statement, Verdict};
use wire::unscoped::unscoped;

use super::{Phase, Session};
use crate::fault::Fault;
use crate::pool::may_show_id;

/// What was done with the client's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Bytes dealt with.
    pub(crate) used: usize,
    /// The first bytes of them that go to the server as they are.
    pub(crate) pass: usize,
}

impl Session {
    /// Takes bytes of the client. Call only while [`Session::takes_client_bytes`] says so. Bytes not used
    /// must come again, with more behind them.
    pub(crate) fn client_bytes(&mut self, input: &[u8]) -> Taken {
        match self.phase {
            Phase::Idle => {
                let (used, begins) = match self.request.collect(input) {
                    Ok(collected) => collected,
                    Err(fault) => {
                        self.fail(&fault);
                        return Taken {
                            used: input.len(),
                            pass: 0,
                        };
                    }
                };
                if begins {
                    self.begin();
                }
                Taken { used, pass: 0 }
            }
            Phase::Flight => {
                let used = self.request.stream(input);
                self.unanswered_ends();
                Taken { used, pass: used }
            }
            Phase::Infile => self.file_bytes(input),
            Phase::Ready | Phase::Preparing | Phase::Doubt | Phase::Closing => {
                Taken { used: 0, pass: 0 }
            }
        }
    }

    /// A file for LOAD DATA LOCAL INFILE.
    fn file_bytes(&mut self, input: &[u8]) -> Taken {
        let (used, end) = self.request.file(input);
        if let Some(sequence) = end {
            self.walker.file_sent(sequence.wrapping_add(1));
            self.phase = Phase::Flight;
        }
        Taken { used, pass: used }
    }

    /// A command can begin: what is it?
    fn begin(&mut self) {
        let command = self.request.payload().first().copied().unwrap_or_default();
        self.command = command;
        self.statement = Statement::HARMLESS;
        self.kill = None;
        self.sent = false;
        self.delivered = false;
        self.statement_ref = self.statement_id();
        self.phase = Phase::Ready;
        if command::shape(command).is_none() {
            let fault = match command {
                code::BINLOG_DUMP | code::REGISTER_SLAVE => Fault::RefusedCommand(command),
                // Why also for no command at all: a server answers an empty packet so (10.11.19).
                _ => Fault::UnknownCommand,
            };
            return self.fail(&fault);
        }
        if self.reader.is_some()
            && let Some(fault) = self.refuses()
        {
            return self.fail(&fault);
        }
        let outcome = match command {
            code::QUIT => {
                self.phase = Phase::Closing;
                Ok(())
            }
            code::QUERY => self.begin_query(),
            code::STMT_PREPARE => {
                self.begin_prepare();
                Ok(())
            }
            code::PROCESS_KILL => self.begin_process_kill(),
            code::STMT_EXECUTE | code::STMT_BULK_EXECUTE | code::STMT_FETCH => self.begin_execute(),
            code::STMT_RESET => self.begin_statement_reset(),
            code::STMT_SEND_LONG_DATA => {
                let id = self.statement_ref;
                match self.statements.get(id) {
                    // Why: the command has no answer; the server, too, is silent until the execution.
                    Err(_) if self.request.is_whole() => {
                        self.finish();
                        Ok(())
                    }
                    Err(fault) => Err(fault),
                    Ok(_) => Ok(()),
                }
            }
            code::STMT_CLOSE => {
                let id = self.statement_ref;
                self.close_elsewhere(id);
                if !self.statements.is_here(id) {
                    if !self.replay.keeps(id) {
                        self.statements.remove(id);
                    }
                    self.finish();
                }
                Ok(())
            }
            code::CREATE_DB | code::DROP_DB | code::REFRESH | code::SHUTDOWN => {
                self.statement = Statement::OPAQUE;
                Ok(())
            }
            _ => Ok(()),
        };
        if let Err(fault) = outcome {
            self.fail(&fault.of(command));
        }
    }

    fn begin_query(&mut self) -> Result<(), Fault> {
        let backslash = self.status & flags::NO_BACKSLASH_ESCAPES == 0;
        let text = self.request.payload().get(1..).unwrap_or_default();
        self.statement = self.look(text, backslash);
        self.scanned_with = self.names_version;
        if !self.request.is_kept() {
            self.statement.marks.add(Marks::CUT);
        }
        if self.statement.verdict() != Verdict::Anywhere {
            // Why not all: what may run anywhere has nothing of one connection in it.
            self.knows_id |= may_show_id(text);
            self.note_choice();
        }
        self.note_past();
        // One comparison for all that is not usual.
        if self.statement.kind as u8 >= Kind::Set as u8 {
            return self.begin_odd_query(backslash);
        }
        let text = self.request.payload().get(1..).unwrap_or_default();
        if let Some(signed) = self.signer.sign_statement(self.statement, text) {
            self.request.replace_text(&signed);
        } else if self.reader.is_some() {
            self.lets_temporary_pass();
        }
        Ok(())
    }

    #[cold]
    fn begin_odd_query(&mut self, backslash: bool) -> Result<(), Fault> {
        let text = self.request.payload().get(1..).unwrap_or_default();
        let is_single = !self.statement.marks.has(Marks::MULTI);
        match self.statement.kind {
            Kind::Kill => self.kill = Some(Kill::parse(text).ok_or(Fault::RefusedKill)?),
            Kind::Set | Kind::SetNames if is_single => self.add_scopes(backslash),
            _ => {}
        }
        Ok(())
    }

    /// What a SET assigns is said so that the server reports it.
    fn add_scopes(&mut self, backslash: bool) {
        let text = self.request.payload().get(1..).unwrap_or_default();
        if self.request.is_kept()
            && let Some(scoped) = unscoped(text, backslash).scoped
        {
            self.request.replace_text(&scoped);
        }
    }

    fn begin_prepare(&mut self) {
        let backslash = self.status & flags::NO_BACKSLASH_ESCAPES == 0;
        let text = self.request.payload().get(1..).unwrap_or_default();
        self.knows_id |= may_show_id(text);
        if self.request.is_kept()
            && let Some(signed) = self.signer.sign(text)
        {
            self.request.replace_text(&signed);
        }
        self.add_scopes(backslash);
        if self.reader.is_some() {
            let text = self.request.payload().get(1..).unwrap_or_default();
            self.statement = self.scan(text, backslash);
            self.lets_temporary_pass();
            self.statement = Statement::HARMLESS;
        }
    }

    fn begin_process_kill(&mut self) -> Result<(), Fault> {
        let id = self
            .request
            .payload()
            .get(1..5)
            .and_then(|bytes| bytes.first_chunk());
        let id = id
            .copied()
            .map(u32::from_le_bytes)
            .ok_or(Fault::Malformed("a kill without an id"))?;
        self.kill = Some(Kill {
            query: false,
            soft: false,
            id: Some(u64::from(id)),
        });
        Ok(())
    }

    /// The driver found out whom a KILL means: `server` is the id on the server.
    pub(crate) fn resolved(&mut self, server: Option<u32>) {
        let Some(kill) = self.kill.take() else { return };
        if let Some(id) = server {
            let mut payload = vec![code::QUERY];
            payload.extend_from_slice(kill.text(id).as_bytes());
            self.request.replace(&payload);
            self.command = code::QUERY;
        }
    }

    /// The KILL has been done here: an OK for the client.
    pub(crate) fn killed_here(&mut self) {
        let mut ok = vec![0, 0, 0];
        ok.extend_from_slice(&self.status.to_le_bytes());
        ok.extend_from_slice(&[0, 0]);
        wire::packet::put(&mut self.to_client, 1, &ok);
        self.finish();
    }

    /// The client's id of the statement that the request means, before it is replaced by the server's.
    fn statement_id(&self) -> u32 {
        let id = self
            .request
            .payload()
            .get(1..5)
            .and_then(|bytes| bytes.first_chunk());
        id.copied().map_or(0, u32::from_le_bytes)
    }

    fn begin_execute(&mut self) -> Result<(), Fault> {
        let id = self.statement_ref;
        let mut found = self.statements.look(id);
        if found.is_some_and(|prepared| self.is_scanned_otherwise(prepared)) {
            self.scan_again(id);
            found = self.statements.look(id);
        }
        let Some(prepared) = found else {
            return self.statements.get(id).map(drop);
        };
        self.statement = prepared.statement;
        self.scanned_with = prepared.scanned_with;
        let is_here = self.statements.has_here(prepared);
        // One comparison for both: SET and KILL are behind all that is usual.
        if self.statement.kind as u8 >= Kind::Set as u8 {
            self.begin_odd_execution(is_here);
        }
        self.note_past();
        if is_here {
            return Ok(());
        }
        let prepared = self.statements.get(id)?;
        if std::mem::take(&mut prepared.long_data) {
            return Err(Fault::StatementLost("the long data"));
        }
        if prepared.text.is_none() {
            return Err(Fault::StatementLost("the text"));
        }
        Ok(())
    }

    #[cold]
    fn begin_odd_execution(&mut self, is_here: bool) {
        if self.statement.kind != Kind::Kill {
            if is_here {
                self.note_choice();
            }
        } else if self.command == code::STMT_EXECUTE {
            // Why only such: of `KILL ?` the server must make what it can.
            let prepared = self.statements.look(self.statement_ref);
            let text = prepared.and_then(|prepared| prepared.text.as_deref());
            self.kill = text.and_then(Kill::parse);
        }
    }

    fn begin_statement_reset(&mut self) -> Result<(), Fault> {
        let id = self.statement_ref;
        let here = self.statements.is_here(id);
        let prepared = self.statements.get(id)?;
        prepared.long_data = false;
        prepared.cursor = false;
        if !here {
            self.killed_here();
        }
        Ok(())
    }
}
