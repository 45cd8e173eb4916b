//! The fast half of the walk: whole packets in a row that nobody needs to see, of a result set as most are.
//! Whatever is not one of these (errors, packets in parts, ends that say more) is left to [`Walker::step`].

use super::{State, Walker};
use crate::command::Shape;
use crate::flags;
use crate::packet::{HEADER, MAX_PAYLOAD};

/// What [`Walker::stride`] has stepped over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stride {
    /// These many bytes can be passed on as they are.
    pub over: usize,
    /// The last of them are this EOF, with which the answer has ended.
    pub end: Option<Eof>,
}

/// An EOF packet's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Eof {
    /// Its number of warnings.
    pub warnings: u16,
    /// Its status flags.
    pub status: u16,
}

impl Eof {
    /// Its length with its header.
    pub const LENGTH: usize = HEADER + 5;

    #[inline]
    fn at(input: &[u8], at: usize) -> Option<Self> {
        match *input.get(at + HEADER..)?.first_chunk()? {
            [0xfe, a, b, c, d] => Some(Self {
                warnings: u16::from_le_bytes([a, b]),
                status: u16::from_le_bytes([c, d]),
            }),
            _ => None,
        }
    }

    /// True when nothing follows, and nothing of the session has changed.
    fn is_plain(self) -> bool {
        let tells = flags::MORE_RESULTS | flags::STATE_CHANGED | flags::CURSOR_EXISTS;
        self.status & tells == 0
    }
}

/// A packet that is there as a whole, with at least one byte in it.
struct Whole {
    first: u8,
    sequence: u8,
    end: usize,
}

impl Whole {
    #[inline]
    fn at(input: &[u8], at: usize) -> Option<Self> {
        let &[a, b, c, d, first] = input.get(at..)?.first_chunk()?;
        // Why at once: one load of four bytes instead of four of one.
        let header = u32::from_le_bytes([a, b, c, d]);
        let (length, sequence) = ((header & 0xff_ffff) as usize, (header >> 24) as u8);
        let end = at + HEADER + length;
        if !(1..MAX_PAYLOAD).contains(&length) || end > input.len() {
            return None;
        }
        Some(Self {
            first,
            sequence,
            end,
        })
    }
}

impl Walker {
    /// Steps over whole packets at the beginning of `input` that can be passed on unseen, up to the end of the answer where
    /// that says nothing else. The same as [`Walker::step`] says of them, for less work; what follows is for that.
    pub fn stride(&mut self, input: &[u8]) -> Stride {
        let (mut at, mut end) = (0, None);
        if self.skip > 0 || self.continued || !self.held.is_empty() {
            return Stride { over: at, end };
        }
        let mut sequence = self.next_sequence.wrapping_sub(1);
        if self.state == State::First
            && self.shape == Shape::Query
            && let Some(packet) = Whole::at(input, 0)
            && packet.end == HEADER + 1
            && matches!(packet.first, 1..=0xfa)
        {
            self.state = State::Columns(packet.first.into());
            (at, sequence) = (packet.end, packet.sequence);
        }
        if let State::Columns(mut left) = self.state {
            while left > 0
                && let Some(packet) = Whole::at(input, at)
                && packet.first != 0xff
            {
                left -= 1;
                (at, sequence) = (packet.end, packet.sequence);
            }
            self.state = match (left, self.deprecate_eof) {
                (0, true) => State::Rows,
                (0, false) => State::ColumnsEnd,
                (left, _) => State::Columns(left),
            };
        }
        if self.state == State::ColumnsEnd
            && let Some(packet) = Whole::at(input, at)
            && packet.end == at + Eof::LENGTH
            && let Some(eof) = Eof::at(input, at)
            && !self.opens_cursor(eof.status)
        {
            self.state = State::Rows;
            (at, sequence) = (packet.end, packet.sequence);
        }
        if self.state == State::Rows {
            while let Some(packet) = Whole::at(input, at) {
                if packet.first >= 0xfe {
                    end = self.end(input, at, &packet);
                    if end.is_some() {
                        (at, sequence) = (packet.end, packet.sequence);
                    }
                    break;
                }
                (at, sequence) = (packet.end, packet.sequence);
            }
        }
        self.next_sequence = sequence.wrapping_add(1);
        Stride { over: at, end }
    }

    /// The packet at `at` ends the rows and says nothing else.
    #[inline]
    fn end(&mut self, input: &[u8], at: usize, packet: &Whole) -> Option<Eof> {
        if self.deprecate_eof || packet.end != at + Eof::LENGTH {
            return None;
        }
        let eof = Eof::at(input, at).filter(|eof| eof.is_plain())?;
        self.state = State::Done;
        Some(eof)
    }
}
