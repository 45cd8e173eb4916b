//! The packets worth a look, once they are whole: what they say of the rest of the answer.

use super::{Kind, MALFORMED, State, Walker};
use crate::codec::{Malformed, Reader};
use crate::command::Shape;
use crate::flags;
use crate::packet::{HEADER, Header};
use crate::reply::{OkPacket, eof_status};

impl Walker {
    /// Takes a whole packet in; `None` when the caller need not see it.
    pub(super) fn meet(
        &mut self,
        header: Header,
        packet: &[u8],
    ) -> Result<Option<Kind>, Malformed> {
        self.next_sequence = header.sequence.wrapping_add(1);
        let payload = &packet[HEADER..];
        let first = *payload.first().ok_or(MALFORMED)?;
        match (self.state, first) {
            (_, 0xff) => {
                // Why: a progress report is an ERR packet with the number 0xffff (MariaDB).
                if payload.get(1..3) == Some(&[0xff, 0xff]) {
                    return Ok(Some(Kind::Progress));
                }
                self.state = State::Done;
                Ok(Some(Kind::Err))
            }
            (State::ColumnsEnd, 0xfe) => {
                let status = eof_status(payload).ok_or(MALFORMED)?;
                if !self.opens_cursor(status) {
                    self.state = State::Rows;
                    return Ok(None);
                }
                self.result_ended(status);
                Ok(Some(Kind::Eof(status)))
            }
            (State::DefinitionsEnd { then }, 0xfe) => {
                self.state = definitions(then, 0);
                Ok(None)
            }
            (State::Rows, 0xfe) if self.deprecate_eof => self.ok(payload).map(Some),
            (State::Rows, 0xfe) => self.eof(payload).map(Some),
            (State::First, _) => self.meet_first(first, payload),
            _ => Err(MALFORMED),
        }
    }

    fn meet_first(&mut self, first: u8, payload: &[u8]) -> Result<Option<Kind>, Malformed> {
        match (self.shape, first) {
            (Shape::Prepare, 0) => {
                let mut reader = Reader::new(payload);
                reader.bytes(5).ok_or(MALFORMED)?;
                let columns = reader.u16().ok_or(MALFORMED)?;
                let parameters = reader.u16().ok_or(MALFORMED)?;
                self.state = definitions(u64::from(parameters), u64::from(columns));
                Ok(Some(Kind::Prepared))
            }
            (_, 0) => self.ok(payload).map(Some),
            (Shape::Simple, 0xfe) => self.eof(payload).map(Some),
            (Shape::Query, 0xfb) => Ok(Some(Kind::LocalInfile)),
            (Shape::Query, _) => {
                let columns = Reader::new(payload).length().ok_or(MALFORMED)?;
                self.state = State::Columns(columns);
                Ok(None)
            }
            _ => Err(MALFORMED),
        }
    }

    fn ok(&mut self, payload: &[u8]) -> Result<Kind, Malformed> {
        let status = OkPacket::parse(payload)?.status;
        self.result_ended(status);
        Ok(Kind::Ok(status))
    }

    fn eof(&mut self, payload: &[u8]) -> Result<Kind, Malformed> {
        let status = eof_status(payload).ok_or(MALFORMED)?;
        self.result_ended(status);
        Ok(Kind::Eof(status))
    }

    fn result_ended(&mut self, status: u16) {
        let more = status & flags::MORE_RESULTS != 0 && self.shape == Shape::Query;
        self.state = if more { State::First } else { State::Done };
    }
}

pub(super) fn definitions(now: u64, then: u64) -> State {
    match (now, then) {
        (0, 0) => State::Done,
        (0, then) => State::Definitions { now: then, then: 0 },
        (now, then) => State::Definitions { now, then },
    }
}
