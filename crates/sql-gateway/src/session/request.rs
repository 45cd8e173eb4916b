//! Bytes of the client: one command at a time is collected, looked at and made ready. Commands that are too big
//! to keep are sent on while they arrive.

use wire::command::{self, Shape, code};
use wire::flags;
use wire::kill::Kill;
use wire::packet::{HEADER, Header};
use wire::statement::{Kind, Statement, scan};

use super::{KEEP, Phase, Session};
use crate::fault::Fault;

/// A command that does not fit [`KEEP`] is begun when this much of it is there.
const PREFIX: usize = 16 * 1024;
/// A request buffer bigger than this is not kept between statements.
const SPARE: usize = 512;

/// What was done with the client's bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Bytes dealt with.
    pub(crate) used: usize,
    /// The first bytes of them that go to the server as they are.
    pub(crate) pass: usize,
}

/// The current command.
#[derive(Debug, Default)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// Bytes of the current packet that have not come.
    left: usize,
    /// The current packet is continued by another.
    continues: bool,
    /// It is sent on while it arrives: what is in `bytes` is its beginning.
    streamed: bool,
    last_sequence: u8,
}

impl Request {
    /// The payload as far as it is kept.
    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    /// The packet.
    pub(crate) fn packet(&self) -> &[u8] {
        &self.bytes
    }

    /// True when more of it is to come.
    pub(crate) fn streams(&self) -> bool {
        self.left > 0 || self.continues
    }

    /// True when all of it has come.
    pub(crate) fn is_whole(&self) -> bool {
        !self.streams()
    }

    /// True when all of it is here and can be sent again.
    pub(crate) fn is_kept(&self) -> bool {
        !self.streamed && self.is_whole()
    }

    pub(crate) fn last_sequence(&self) -> u8 {
        self.last_sequence
    }

    pub(crate) fn clear(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        if bytes.capacity() > SPARE {
            bytes = Vec::new();
        }
        *self = Self {
            bytes,
            ..Self::default()
        };
    }

    /// Replaces the payload of a kept command.
    pub(crate) fn replace(&mut self, payload: &[u8]) {
        self.bytes.clear();
        wire::packet::put(&mut self.bytes, 0, payload);
    }

    /// Overwrites bytes of the payload.
    pub(crate) fn patch(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(HEADER + at..HEADER + at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    /// Takes bytes until the command can begin; says how many, and whether it can.
    fn collect(&mut self, input: &[u8]) -> Result<(usize, bool), Fault> {
        let mut used = 0;
        if self.bytes.len() < HEADER {
            used = input.len().min(HEADER - self.bytes.len());
            self.bytes.extend_from_slice(&input[..used]);
            let Some(header) = Header::read(&self.bytes) else {
                return Ok((used, false));
            };
            if header.sequence != 0 {
                return Err(Fault::Malformed("a command does not start with packet 0"));
            }
            if header.length == 0 {
                return Err(Fault::Malformed("a command is empty"));
            }
            self.left = header.length;
            self.continues = header.continues();
            self.streamed = header.length > KEEP;
        }
        let upto = if self.streamed {
            PREFIX.saturating_sub(self.payload().len())
        } else {
            self.left
        };
        let more = upto.min(input.len() - used);
        self.bytes.extend_from_slice(&input[used..used + more]);
        self.left -= more;
        let begins = if self.streamed {
            self.payload().len() >= PREFIX
        } else {
            self.left == 0
        };
        Ok((used + more, begins))
    }

    /// Steps over bytes of a command that is sent on while it arrives; says how many belong to it.
    fn stream(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        while self.streams() && at < input.len() {
            if self.left > 0 {
                let over = self.left.min(input.len() - at);
                self.left -= over;
                at += over;
            } else if let Some(header) = Header::read(&input[at..]) {
                self.left = header.length;
                self.continues = header.continues();
                self.last_sequence = header.sequence;
                at += HEADER;
            } else {
                break;
            }
        }
        at
    }
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
            Phase::Ready | Phase::Preparing | Phase::Closing => Taken { used: 0, pass: 0 },
        }
    }

    /// A file for LOAD DATA LOCAL INFILE: packets up to an empty one.
    fn file_bytes(&mut self, input: &[u8]) -> Taken {
        let mut at = 0;
        while at < input.len() {
            if self.request.left > 0 {
                let over = self.request.left.min(input.len() - at);
                self.request.left -= over;
                at += over;
                continue;
            }
            let Some(header) = Header::read(&input[at..]) else {
                break;
            };
            at += HEADER;
            self.request.left = header.length;
            self.request.last_sequence = header.sequence;
            if header.length == 0 {
                self.walker.file_sent(header.sequence.wrapping_add(1));
                self.phase = Phase::Flight;
                break;
            }
        }
        Taken { used: at, pass: at }
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
            return self.fail(&Fault::RefusedCommand(command));
        }
        let outcome = match command {
            code::QUIT => {
                self.phase = Phase::Closing;
                Ok(())
            }
            code::QUERY => self.begin_query(),
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
                if !self.statements.is_here(id) {
                    self.statements.remove(id);
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
            self.fail(&fault);
        }
    }

    fn begin_query(&mut self) -> Result<(), Fault> {
        let backslash = self.status & flags::NO_BACKSLASH_ESCAPES == 0;
        let text = self.request.payload().get(1..).unwrap_or_default();
        self.statement = scan(text, backslash);
        if !self.request.is_kept() {
            self.statement.marks.add(wire::statement::Marks::CUT);
        }
        if self.statement.kind == Kind::Kill {
            self.kill = Some(Kill::parse(text).ok_or(Fault::RefusedKill)?);
        }
        Ok(())
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
            id: u64::from(id),
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
        let here = self.statements.is_here(id);
        let prepared = self.statements.get(id)?;
        self.statement = prepared.statement;
        if here {
            return Ok(());
        }
        if std::mem::take(&mut prepared.long_data) {
            return Err(Fault::StatementLost("the long data"));
        }
        if prepared.text.is_none() {
            return Err(Fault::StatementLost("the text"));
        }
        Ok(())
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

    /// The statement goes to the server now: returns its bytes. The driver has a connection.
    pub(crate) fn launch(&mut self) -> Result<&[u8], Fault> {
        if self.moved_since_answer && self.statement.marks.has(wire::statement::Marks::LOOKS_BACK) {
            return Err(Fault::LooksBack);
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
        let shape = command::shape(self.command).unwrap_or(Shape::Simple);
        self.walker = wire::walk::Walker::new(shape, self.deprecate_eof);
        self.sent = true;
        self.phase = Phase::Flight;
        Ok(self.request.packet())
    }

    /// After a launch: commands without an answer are over when their bytes are.
    pub(crate) fn unanswered_ends(&mut self) {
        if self.phase == Phase::Flight && self.request.is_whole() && self.walker.done() {
            self.finish();
        }
    }

    fn launch_prepare(&mut self) -> Result<&[u8], Fault> {
        let id = self.statement_ref;
        let prepared = self.statements.get(id)?;
        let text = prepared
            .text
            .as_deref()
            .ok_or(Fault::StatementLost("the text"))?;
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
                if let Some(place) = TypesPlace::find(self.command, payload, prepared.parameters) {
                    if place.bound {
                        prepared.types = payload
                            .get(place.at..place.at + place.length)
                            .map(Into::into);
                        prepared.types_known = true;
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
            code::STMT_SEND_LONG_DATA => prepared.long_data = true,
            code::STMT_CLOSE => self.statements.remove(id),
            _ => {}
        }
        self.request.patch(1, &server_id);
        Ok(())
    }
}

/// Where in an execution the parameter types stand.
struct TypesPlace {
    /// The byte that says whether they are there, and its bit.
    flag: (usize, u8),
    bound: bool,
    at: usize,
    length: usize,
}

impl TypesPlace {
    fn find(command: u8, payload: &[u8], parameters: u16) -> Option<Self> {
        let parameters = usize::from(parameters);
        if parameters == 0 {
            return None;
        }
        let (flag, bit) = if command == code::STMT_EXECUTE {
            (10 + parameters.div_ceil(8), 1)
        } else {
            // Flags of two bytes after the id; 128 means: types are sent.
            (5, 128)
        };
        let at = if command == code::STMT_EXECUTE {
            flag + 1
        } else {
            7
        };
        let bound = payload.get(flag)? & bit != 0;
        Some(Self {
            flag: (flag, bit),
            bound,
            at,
            length: 2 * parameters,
        })
    }

    fn insert(&self, payload: &[u8], types: &[u8]) -> Vec<u8> {
        let mut out = payload.to_vec();
        if let Some(flag) = out.get_mut(self.flag.0) {
            *flag |= self.flag.1;
        }
        let at = self.at.min(out.len());
        out.splice(at..at, types.iter().copied());
        out
    }
}
