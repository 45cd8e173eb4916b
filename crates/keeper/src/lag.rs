//! How far a replica's data is behind the primary's, as a duration: since when the primary has had
//! something that is not applied here.

use std::collections::VecDeque;

use cluster::{Millis, Position};

/// One sample for each report at most; ten minutes of them at the usual pace.
const KEPT: usize = 2_400;

/// Positions of the primary and when they were heard of.
#[derive(Default)]
pub(crate) struct Lag {
    samples: VecDeque<(Millis, Position)>,
}

impl Lag {
    /// Notes where the primary is.
    pub(crate) fn primary_at(&mut self, now: Millis, position: &Position) {
        if self
            .samples
            .back()
            .is_some_and(|(_, last)| last == position)
        {
            return;
        }
        if self.samples.len() == KEPT {
            self.samples.pop_front();
        }
        self.samples.push_back((now, position.clone()));
    }

    /// Forgets everything: there is another primary.
    pub(crate) fn reset(&mut self) {
        self.samples.clear();
    }

    /// The lag of a replica that has applied this much; `None` before anything was heard.
    pub(crate) fn of(&mut self, now: Millis, applied: &Position) -> Option<Millis> {
        let heard_of = !self.samples.is_empty();
        while self.samples.len() > 1 && self.samples.front().is_some_and(|(_, p)| applied.covers(p))
        {
            self.samples.pop_front();
        }
        let (since, position) = self.samples.front()?;
        let lag = if applied.covers(position) {
            0
        } else {
            now.saturating_sub(*since)
        };
        heard_of.then_some(lag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lag_is_the_age_of_the_first_thing_not_applied() {
        let mut lag = Lag::default();
        let at = |n: u64| format!("0-1-{n}").parse::<Position>().unwrap();
        assert_eq!(lag.of(0, &at(1)), None);
        lag.primary_at(100, &at(10));
        lag.primary_at(200, &at(20));
        lag.primary_at(300, &at(30));
        assert_eq!(lag.of(400, &at(15)), Some(200));
        assert_eq!(lag.of(400, &at(30)), Some(0));
        lag.primary_at(500, &at(40));
        assert_eq!(lag.of(600, &at(30)), Some(100));
    }
}
