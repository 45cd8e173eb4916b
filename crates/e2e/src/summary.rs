//! Measured times in a few numbers.

use serde::{Deserialize, Serialize};

/// Milliseconds: how many were measured, and median, nine tenths, worst.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// How many.
    pub count: usize,
    /// Half are at most this.
    pub median_ms: u64,
    /// Nine of ten are at most this.
    pub p90_ms: u64,
    /// None is more.
    pub worst_ms: u64,
}

impl Summary {
    /// Of these times, in any order; all zero when there are none.
    pub(crate) fn of(times_ms: &[u64]) -> Self {
        let mut sorted = times_ms.to_vec();
        sorted.sort_unstable();
        // The smallest value that at least this share of all do not exceed.
        let rank = |percent: usize| {
            let at = (sorted.len() * percent).div_ceil(100).max(1) - 1;
            sorted.get(at).copied().unwrap_or(0)
        };
        Self {
            count: sorted.len(),
            median_ms: rank(50),
            p90_ms: rank(90),
            worst_ms: rank(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn summary_when_of_twenty_then_ranks_are_the_tenth_eighteenth_and_last() {
        let times: Vec<u64> = (1..=20).rev().collect();
        let summary = Summary::of(&times);
        let ranks = (summary.median_ms, summary.p90_ms, summary.worst_ms);
        assert_eq!((summary.count, ranks), (20, (10, 18, 20)));
        assert_eq!(Summary::of(&[]), Summary::default());
        assert_eq!(Summary::of(&[7]).median_ms, 7);
    }
}
