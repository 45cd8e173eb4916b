//! How much a replica has received and not applied, and how long that will take at the pace of the last moments:
//! before it can take over, all of it must be applied, and people want to know what they wait for.

use std::collections::VecDeque;

use cluster::{Millis, Position, Receiving, Running};
use mariadb::Advance;
use serde::{Deserialize, Serialize};

/// The pace is that of so long.
const WINDOW: Millis = 10_000;
/// From a shorter time no pace is told.
const SHORTEST: Millis = 1_000;
/// A replica that is less behind is not talked of, unless something waits for it.
const TOLD_FROM: Millis = 1_000;
/// One sample for each of these.
const STEP: Millis = 250;

/// What is left to be applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drain {
    /// Transactions received and not applied.
    pub missing: u64,
    /// How far the data is behind, in milliseconds, if it is known.
    pub behind_ms: Option<Millis>,
    /// How long it takes at the present pace, in milliseconds; `None`: no transaction has ended lately.
    pub left_ms: Option<Millis>,
}

/// Measures the pace: by bytes of the log, as the transactions differ, else by their number.
#[derive(Default)]
pub(crate) struct Pace {
    samples: VecDeque<Sample>,
}

struct Sample {
    at: Millis,
    applied: Position,
    bytes: Option<u64>,
}

impl Pace {
    /// What is left now, if it is worth telling.
    pub(crate) fn look(
        &mut self,
        now: Millis,
        running: &Running,
        advance: Option<Advance>,
    ) -> Option<Drain> {
        let missing = running.applied.missing_from(&running.received);
        let is_behind = running.lag_ms.is_some_and(|ms| ms >= TOLD_FROM);
        let is_waited_for = running.receiving == Receiving::Stopped;
        if !running.replica_settings || missing == 0 || !(is_behind || is_waited_for) {
            self.samples.clear();
            return None;
        }
        if self.samples.back().is_none_or(|last| now >= last.at + STEP) {
            self.samples.push_back(Sample {
                at: now,
                applied: running.applied.clone(),
                bytes: advance.map(|advance| advance.applied),
            });
        }
        let is_old = |next: &Sample| next.at + WINDOW < now;
        while self.samples.get(1).is_some_and(is_old) {
            self.samples.pop_front();
        }
        let by_bytes = advance.and_then(|Advance { applied, left }| {
            // Another file of the log begins anew.
            let done = |sample: &Sample| applied.checked_sub(sample.bytes?);
            self.time_for(now, left, done)
        });
        let done = |sample: &Sample| Some(sample.applied.missing_from(&running.applied));
        let by_number = || self.time_for(now, missing, done);
        Some(Drain {
            missing,
            behind_ms: running.lag_ms,
            left_ms: by_bytes.or_else(by_number),
        })
    }

    /// How long `left` takes, when `done` says how much was done since a sample; from the oldest that tells.
    fn time_for(
        &self,
        now: Millis,
        left: u64,
        done: impl Fn(&Sample) -> Option<u64>,
    ) -> Option<Millis> {
        let mut told = self.samples.iter();
        let (since, done) = told.find_map(|sample| Some((sample.at, done(sample)?)))?;
        let took = now - since;
        (took >= SHORTEST && done > 0).then(|| left.saturating_mul(took) / done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn running(applied: u64, received: u64) -> Running {
        let at = |n: u64| format!("0-1-{n}").parse().unwrap();
        Running {
            applied: at(applied),
            received: at(received),
            replica_settings: true,
            receiving: Receiving::Streaming,
            lag_ms: Some(5_000),
            ..Running::unknown()
        }
    }

    #[test]
    fn what_is_left_takes_as_long_as_the_pace_of_the_last_moments_says() {
        let mut pace = Pace::default();
        let first = pace.look(10_000, &running(100, 200), None).unwrap();
        assert_eq!((first.missing, first.left_ms), (100, None));
        let later = pace.look(12_000, &running(120, 200), None).unwrap();
        assert_eq!((later.missing, later.left_ms), (80, Some(8_000)));
        // It stands still: after a while there is no pace to go by.
        pace.look(13_000, &running(120, 200), None).unwrap();
        let still = pace.look(40_000, &running(120, 200), None).unwrap();
        assert_eq!((still.missing, still.left_ms), (80, None));
    }

    #[test]
    fn large_transactions_count_by_their_bytes() {
        let mut pace = Pace::default();
        let mut drains = running(100, 200);
        let at = |applied, left| Some(Advance { applied, left });
        pace.look(10_000, &drains, at(2_000, 8_000)).unwrap();
        drains.applied = "0-1-101".parse().unwrap();
        let drain = pace.look(12_000, &drains, at(4_000, 6_000)).unwrap();
        assert_eq!((drain.missing, drain.left_ms), (99, Some(6_000)));
    }

    #[test]
    fn nothing_is_told_of_a_replica_that_keeps_up() {
        let mut pace = Pace::default();
        let mut well = running(199, 200);
        well.lag_ms = Some(30);
        assert_eq!(pace.look(10_000, &well, None), None);
        well.receiving = Receiving::Stopped;
        assert_eq!(pace.look(10_000, &well, None).unwrap().missing, 1);
        assert_eq!(pace.look(10_000, &running(200, 200), None), None);
    }
}
