//! How long the core waits for what. Safety never depends on any of these.

use crate::Millis;

/// Waiting times, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Timing {
    /// Silence after which a primary is suspected; longer than `shrink`, so that a cut between two
    /// healthy servers leaves the primary where it is.
    pub suspicion: Millis,
    /// Silence, or lack of acknowledgements, after which the primary goes on without a member.
    pub shrink: Millis,
    /// How long a bad health must last before a primary's server is given up.
    pub ill: Millis,
    /// How long a replica's server must have hung before it is ended, to be started again.
    pub hung: Millis,
    /// How long a returning primary leaves the way open for a member to take over.
    pub grace: Millis,
    /// How long a replica may take to confirm when an empty set is grown by it.
    pub grow: Millis,
    /// Pause after a growth that was given up.
    pub regrow: Millis,
    /// Lag at most of a replica that is taken into the set, and of a switchover's target.
    pub caught_up: Millis,
    /// Lag from which a member is taken out of the set.
    pub lag_limit: Millis,
    /// How long a switchover lets open transactions end.
    pub drain: Millis,
    /// How long a switchover may hold statements before it is undone.
    pub hold: Millis,
    /// How long a switchover waits for its target to be ready before it is refused.
    pub ready: Millis,
    /// How long the cluster must have been protected before failovers are counted anew.
    pub relief: Millis,
    /// How many failovers may happen in an hour before protection is restored.
    pub budget: usize,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            suspicion: 1_500,
            shrink: 1_000,
            ill: 500,
            hung: 30_000,
            grace: 5_000,
            grow: 3_000,
            regrow: 1_000,
            caught_up: 1_000,
            lag_limit: 60_000,
            drain: 5_000,
            hold: 10_000,
            ready: 10_000,
            relief: 10_000,
            budget: 3,
        }
    }
}
