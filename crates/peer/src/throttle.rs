//! Lets one log line through per interval and counts the rest: a flood on the port must not flood the log.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const INTERVAL: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(crate) struct Throttle(Mutex<(Option<Instant>, u64)>);

impl Throttle {
    /// `Some(n)` when a line may be written; `n` lines were swallowed before it.
    pub(crate) fn pass(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (last, swallowed) = &mut *state;
        if last.is_some_and(|last| now.duration_since(last) < INTERVAL) {
            *swallowed += 1;
            return None;
        }
        *last = Some(now);
        Some(std::mem::take(swallowed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn throttle_when_flooded_then_one_line_per_interval_with_a_count() {
        let throttle = Throttle::default();
        let start = Instant::now();
        assert_eq!(throttle.pass(start), Some(0));
        for _ in 0..5 {
            assert_eq!(throttle.pass(start + Duration::from_secs(1)), None);
        }
        assert_eq!(throttle.pass(start + INTERVAL), Some(5));
    }
}
