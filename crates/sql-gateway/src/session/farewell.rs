//! The client is gone: what is left on its connection to the server?

use super::state::Pins;
use super::{Phase, Session};
use crate::pool::Remains;

impl Session {
    /// What is known of the connection now. `was_killed`: a KILL was sent for it.
    pub(crate) fn left(&self, was_killed: bool) -> Remains {
        Remains {
            at_rest: (self.phase == Phase::Idle || self.said_goodbye())
                && self.is_settled()
                && !self.replay.runs()
                && !self.lost_transaction,
            marked: self.is_marked || self.outlives_reset(),
            options: self.state.multi_statements.is_some(),
            knows_id: self.knows_id,
            was_killed,
        }
    }

    /// True when nothing of the gateway's own is under way.
    pub(crate) fn is_settled(&self) -> bool {
        self.swallow.is_none() && self.to_server.is_empty() && self.doubt.is_none()
    }

    /// True when the session may have what neither a reset nor a change of user takes away: random seeds, profiles; or
    /// something that nobody named. Why that: a session that switches its tracking off is reported so, and no more (10.11.19).
    pub(super) fn outlives_reset(&self) -> bool {
        let pins = self.state.pins;
        let unknown = [
            Pins::ONE_SHOT,
            Pins::UNTRACKED,
            Pins::SOMETHING,
            Pins::UNTOLD,
        ];
        unknown.iter().any(|pin| pins.has(*pin)) || self.state.was_set("profiling")
    }

    /// The connection's state is tracked already: nothing must be said for that.
    pub(crate) fn is_tracked(&mut self) {
        self.to_server.clear();
        self.swallow = None;
        self.choosing = None;
    }
}
