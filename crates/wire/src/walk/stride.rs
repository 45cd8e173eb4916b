//! The fast half of the walk: whole packets in a row that nobody needs to see, of a result set as most are.
//! Whatever is not one of these (errors, ends, packets in parts, odd numbers of columns) is left to [`Walker::step`].

use super::{State, Walker};
use crate::command::Shape;
use crate::packet::{HEADER, MAX_PAYLOAD};
use crate::reply::eof_status;

/// A packet that is there as a whole, with at least one byte in it.
struct Whole {
    first: u8,
    sequence: u8,
    end: usize,
}

impl Whole {
    #[inline]
    fn at(input: &[u8], at: usize) -> Option<Self> {
        let &[a, b, c, sequence, first] = input.get(at..)?.first_chunk()?;
        let length = u32::from_le_bytes([a, b, c, 0]) as usize;
        let end = at + HEADER + length;
        let is_whole = length > 0 && length < MAX_PAYLOAD && end <= input.len();
        is_whole.then_some(Self {
            first,
            sequence,
            end,
        })
    }
}

impl Walker {
    /// Steps over whole packets at the beginning of `input` that can be passed on unseen, and says how many bytes they are.
    /// The same as [`Walker::step`] says of them, for less work; what follows is for that.
    pub fn stride(&mut self, input: &[u8]) -> usize {
        if self.skip > 0 || self.continued || !self.held.is_empty() {
            return 0;
        }
        let mut at = 0;
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
            && let Some(status) = eof_status(&input[at + HEADER..packet.end])
            && !self.opens_cursor(status)
        {
            self.state = State::Rows;
            (at, sequence) = (packet.end, packet.sequence);
        }
        if self.state == State::Rows {
            while let Some(packet) = Whole::at(input, at)
                && packet.first < 0xfe
            {
                (at, sequence) = (packet.end, packet.sequence);
            }
        }
        self.next_sequence = sequence.wrapping_add(1);
        at
    }
}
