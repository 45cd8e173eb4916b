//! The usual answer: packets that go to the client as they are, up to an end that says nothing else.

use wire::walk::{Eof, Kind, Stride};

use super::side::Side;
use super::{Phase, Session};

impl Session {
    /// Takes what is usual at the beginning of the primary's bytes, and says how much goes to the client as it is. What
    /// follows is for [`Self::server_bytes`], which would have taken this as well.
    #[inline]
    pub(crate) fn usual_bytes(&mut self, input: &[u8]) -> usize {
        let is_its = self.phase == Phase::Flight && self.side == Side::Primary;
        if !is_its || self.swallow.is_some() || self.replay.runs() {
            return 0;
        }
        let Stride { over, end } = self.walker.stride(input);
        if over > 0 {
            self.stride(&input[..over], end);
        }
        over
    }

    /// Packets that go to the client as they are, up to the `end` of the answer if that is there.
    pub(super) fn stride(&mut self, bytes: &[u8], end: Option<Eof>) {
        self.delivered = true;
        let Some(end) = end else {
            return self.replay.hear(bytes);
        };
        let (rows, eof) = bytes.split_at(bytes.len().saturating_sub(Eof::LENGTH));
        self.replay.hear(rows);
        self.replay.hear_packet(Kind::Eof(end.status), eof);
        self.note_warnings(end.warnings);
        self.meet_eof(end.status);
        if self.phase == Phase::Flight {
            self.ended();
        }
    }
}
