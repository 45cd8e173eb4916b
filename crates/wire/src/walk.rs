//! Walks along a server's answer without taking it apart: finds where it ends and the few packets worth
//! a look (OK, ERR, EOF, request for a local file), whatever the chunks it arrives in.
//!
//! Rows and column definitions are stepped over by their headers; at most [`MAX_HELD`] bytes are kept.
//! `meet.rs` looks at those few; `stride.rs` does all that fast where nothing is special.

mod meet;
mod stride;

use meet::definitions;
pub use stride::{Eof, Stride};

use crate::codec::Malformed;
use crate::command::Shape;
use crate::flags;
use crate::packet::{HEADER, Header};
use crate::reply::eof_status;

/// The greatest packet of interest that is put together from several chunks.
pub const MAX_HELD: usize = 1 << 20;

/// A packet worth a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// OK, with its status flags; ends the answer unless another result follows.
    Ok(u16),
    /// EOF that ends a result or an answer, with its status flags.
    Eof(u16),
    /// An error; ends the answer.
    Err,
    /// A MariaDB progress report; the answer goes on.
    Progress,
    /// The server asks for a local file; the client's data come next, then OK or ERR.
    LocalInfile,
    /// The first packet of a good answer to COM_STMT_PREPARE.
    Prepared,
}

/// What the next bytes of an answer are.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// The first `n` bytes of the input can be passed on as they are; `used` bytes are dealt with
    /// (the difference is kept by the walker).
    Pass {
        /// Bytes to pass on.
        pass: usize,
        /// Bytes dealt with.
        used: usize,
    },
    /// Bytes kept from earlier chunks can be passed on; `used` bytes of the input are in them.
    Kept {
        /// Bytes to pass on.
        bytes: Vec<u8>,
        /// Bytes dealt with.
        used: usize,
    },
    /// The first `length` bytes of the input are this packet, header and all.
    Packet {
        /// What it is.
        kind: Kind,
        /// Its length with the header.
        length: usize,
    },
    /// This packet, put together from several chunks.
    KeptPacket {
        /// What it is.
        kind: Kind,
        /// The packet, header and all.
        bytes: Vec<u8>,
        /// Bytes of the input that are in it.
        used: usize,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    First,
    Columns(u64),
    ColumnsEnd,
    Rows,
    Definitions { now: u64, then: u64 },
    DefinitionsEnd { then: u64 },
    Done,
}

/// What a packet is, as far as its header and first byte tell.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Whole,
    Over,
}

/// The walk along one answer.
#[derive(Debug)]
pub struct Walker {
    shape: Shape,
    deprecate_eof: bool,
    cursor: bool,
    state: State,
    skip: usize,
    continued: bool,
    next_sequence: u8,
    held: Vec<u8>,
}

const MALFORMED: Malformed = Malformed {
    what: "answer of the server",
};

impl Walker {
    /// A walk along an answer of this shape, on a connection with or without [`flags::DEPRECATE_EOF`].
    pub fn new(shape: Shape, deprecate_eof: bool) -> Self {
        let state = match shape {
            Shape::Nothing => State::Done,
            Shape::Rows => State::Rows,
            _ => State::First,
        };
        Self {
            shape,
            deprecate_eof,
            cursor: false,
            state,
            skip: 0,
            continued: false,
            next_sequence: 1,
            held: Vec::new(),
        }
    }

    /// The statement was executed with a cursor: it may be opened in place of rows. Without this the
    /// flag means nothing: the server sets it in results of a procedure that has cursors of its own (10.11.19).
    #[must_use]
    pub fn may_open_cursor(mut self, cursor: bool) -> Self {
        self.cursor = cursor;
        self
    }

    /// True when the definitions are followed by no rows.
    fn opens_cursor(&self, status: u16) -> bool {
        self.cursor && status & flags::CURSOR_EXISTS != 0
    }

    /// True when the answer has ended.
    pub fn done(&self) -> bool {
        self.state == State::Done && self.skip == 0 && !self.continued
    }

    /// True when all bytes passed on so far are whole packets, so that another packet may follow.
    pub fn at_boundary(&self) -> bool {
        self.skip == 0 && !self.continued
    }

    /// The sequence number of the next packet.
    pub fn next_sequence(&self) -> u8 {
        self.next_sequence
    }

    /// The client's file has gone to the server; its last packet had the number before `sequence`.
    pub fn file_sent(&mut self, sequence: u8) {
        self.next_sequence = sequence;
    }

    /// Looks at the next bytes. Call again with the rest until all is used or the answer is [done](Self::done).
    pub fn step(&mut self, input: &[u8]) -> Result<Step, Malformed> {
        if !self.held.is_empty() {
            return self.step_held(input);
        }
        let mut at = 0;
        while at < input.len() {
            let rest = &input[at..];
            if self.skip > 0 {
                let over = self.skip.min(rest.len());
                self.skip -= over;
                at += over;
                continue;
            }
            if self.done() {
                break;
            }
            let Some((header, first)) = peek(rest) else {
                self.held = rest.to_vec();
                return Ok(Step::Pass {
                    pass: at,
                    used: input.len(),
                });
            };
            let length = HEADER + header.length;
            if self.look(header, first) == Look::Over {
                self.step_over(header);
                self.skip = length;
            } else if at > 0 && !(rest.len() >= length && self.plain(&rest[..length])) {
                break;
            } else if rest.len() < length {
                check_held(length)?;
                self.held = rest.to_vec();
                return Ok(Step::Pass {
                    pass: 0,
                    used: input.len(),
                });
            } else if let Some(kind) = self.meet(header, &rest[..length])? {
                return Ok(Step::Packet { kind, length });
            } else {
                at += length;
            }
        }
        Ok(Step::Pass { pass: at, used: at })
    }

    /// Packets that are read here only for their number of columns or a flag, and go on unseen by the caller.
    fn plain(&self, packet: &[u8]) -> bool {
        match self.state {
            State::First => {
                !matches!(packet.get(HEADER), Some(0 | 0xfb | 0xfe | 0xff) | None)
                    && self.shape == Shape::Query
            }
            State::ColumnsEnd => {
                eof_status(&packet[HEADER..]).is_some_and(|status| !self.opens_cursor(status))
            }
            // Why the byte: an error may stand there, and that is for the caller.
            State::DefinitionsEnd { .. } => packet.get(HEADER) == Some(&0xfe),
            _ => false,
        }
    }

    fn step_held(&mut self, input: &[u8]) -> Result<Step, Malformed> {
        let mut used = 0;
        let mut take = |held: &mut Vec<u8>, upto: usize| {
            let more = upto.saturating_sub(held.len()).min(input.len() - used);
            held.extend_from_slice(&input[used..used + more]);
            used += more;
            used
        };
        let mut taken = take(&mut self.held, HEADER);
        if Header::read(&self.held).is_some_and(|header| header.length > 0) {
            taken = take(&mut self.held, HEADER + 1);
        }
        let Some((header, first)) = peek(&self.held) else {
            return Ok(Step::Pass {
                pass: 0,
                used: taken,
            });
        };
        let length = HEADER + header.length;
        if self.look(header, first) == Look::Over {
            self.step_over(header);
            self.skip = length - self.held.len();
            return Ok(Step::Kept {
                bytes: std::mem::take(&mut self.held),
                used: taken,
            });
        }
        check_held(length)?;
        taken = take(&mut self.held, length);
        if self.held.len() < length {
            return Ok(Step::Pass {
                pass: 0,
                used: taken,
            });
        }
        let bytes = std::mem::take(&mut self.held);
        Ok(match self.meet(header, &bytes)? {
            Some(kind) => Step::KeptPacket {
                kind,
                bytes,
                used: taken,
            },
            None => Step::Kept { bytes, used: taken },
        })
    }

    fn look(&self, header: Header, first: Option<u8>) -> Look {
        let over = self.continued
            || match (self.state, first) {
                (_, Some(0xff))
                | (State::ColumnsEnd | State::DefinitionsEnd { .. } | State::Done, _) => false,
                (State::Rows, Some(0xfe)) => {
                    if self.deprecate_eof {
                        header.continues()
                    } else {
                        header.length >= 9
                    }
                }
                (State::Rows | State::Columns(_) | State::Definitions { .. }, _) => true,
                (State::First, _) => self.shape == Shape::Text,
            };
        if over { Look::Over } else { Look::Whole }
    }

    fn step_over(&mut self, header: Header) {
        self.next_sequence = header.sequence.wrapping_add(1);
        let continued = self.continued;
        self.continued = header.continues();
        if continued {
            return;
        }
        self.state = match self.state {
            State::Columns(left) if left > 1 => State::Columns(left - 1),
            State::Columns(_) if self.deprecate_eof => State::Rows,
            State::Columns(_) => State::ColumnsEnd,
            State::Definitions { now, then } if now > 1 => {
                State::Definitions { now: now - 1, then }
            }
            State::Definitions { then, .. } if self.deprecate_eof => definitions(then, 0),
            State::Definitions { then, .. } => State::DefinitionsEnd { then },
            State::First => State::Done,
            same => same,
        };
    }
}

/// The header and the first byte of the payload (`None` inside for an empty one), when they are there.
fn peek(bytes: &[u8]) -> Option<(Header, Option<u8>)> {
    let header = Header::read(bytes)?;
    match bytes.get(HEADER) {
        _ if header.length == 0 => Some((header, None)),
        Some(first) => Some((header, Some(*first))),
        None => None,
    }
}

fn check_held(length: usize) -> Result<(), Malformed> {
    if length > MAX_HELD {
        Err(MALFORMED)
    } else {
        Ok(())
    }
}

#[cfg(test)]
#[path = "walk_tests.rs"]
mod tests;
