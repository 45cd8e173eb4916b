//! A node's own clocks: one that only goes forward and drifts, and one on the wall that is wrong.

use cluster::Millis;

/// The true time of a simulation, in microseconds since it began.
pub(crate) type Micros = u64;

pub(crate) const MS: Micros = 1_000;
pub(crate) const SECOND: Micros = 1_000_000;

/// Wall-clock seconds at which every simulation begins.
const BEGINS: u64 = 1_800_000_000;

/// The clocks of one node.
#[derive(Clone, Debug)]
pub(crate) struct Clock {
    /// What the steady clock showed in the beginning.
    pub(crate) zero: Millis,
    /// How much too fast the steady clock runs, in millionths; negative: too slow.
    pub(crate) drift: i64,
    /// By how many seconds the wall clock is wrong.
    pub(crate) wrong_by: i64,
}

impl Clock {
    /// What the steady clock shows.
    pub(crate) fn shows(&self, now: Micros) -> Millis {
        let drifted = i128::from(now) * i128::from(1_000_000 + self.drift) / 1_000_000_000;
        self.zero + u64::try_from(drifted).unwrap_or(0)
    }

    /// How long a wait of so many of its milliseconds takes in truth.
    pub(crate) fn takes(&self, wait: Millis) -> Micros {
        let truly = i128::from(wait) * 1_000_000_000 / i128::from(1_000_000 + self.drift);
        u64::try_from(truly).unwrap_or(0)
    }

    /// What the wall clock shows, in seconds.
    pub(crate) fn wall(&self, now: Micros) -> u64 {
        (BEGINS + now / SECOND).saturating_add_signed(self.wrong_by)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clock_when_it_drifts_then_its_waits_are_as_wrong() {
        let fast = Clock {
            zero: 5,
            drift: 100_000,
            wrong_by: -60,
        };
        assert_eq!(fast.shows(10 * SECOND), 5 + 11_000);
        assert_eq!(fast.takes(11_000), 10 * SECOND);
        assert_eq!(fast.wall(SECOND), BEGINS + 1 - 60);
    }
}
