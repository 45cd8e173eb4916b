//! What a session has done since it was last asked: for whoever counts. No clock and no name is known here.

use super::Session;
use super::side::Side;

/// Commands that are over, and how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Toll {
    /// Answered by the primary, and by a replica.
    pub(crate) answered: [u32; 2],
    /// Those of them that the server answered with an error.
    pub(crate) failed: [u32; 2],
    /// Transactions that were run again and go on.
    pub(crate) replayed: u32,
    /// Where the last one ran.
    pub(crate) side: Side,
}

impl Session {
    /// The answer to a command of the client has ended.
    pub(super) fn note_toll(&mut self, failed: bool) {
        let ran = self.reader.as_ref().map_or(self.side, |it| it.counts_as);
        let side = match ran {
            Side::Primary => 0,
            Side::Replica => 1,
        };
        self.toll.side = ran;
        self.toll.answered[side] += 1;
        self.toll.failed[side] += u32::from(failed);
    }

    /// What has ended since the last call, if anything has.
    pub(crate) fn take_toll(&mut self) -> Option<Toll> {
        let toll = self.toll;
        if toll.answered == [0; 2] && toll.replayed == 0 {
            return None;
        }
        self.toll = Toll::default();
        Some(toll)
    }
}
