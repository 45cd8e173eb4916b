//! The time in which something happened, and what clients of the gateways beside it met in it.

use std::time::{Duration, Instant};

use trial::{History, Outcome};

use crate::arena::refs;

/// From the misfortune to the end of what it may have done.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    pub(crate) at: Instant,
    pub(crate) until: Instant,
    /// The nodes of the gateways whose clients should hardly notice.
    pub(crate) watched: Vec<String>,
}

impl Window {
    /// The longest time without an acknowledged write that was open then or began then.
    pub(crate) fn gap(&self, history: &History) -> Option<Duration> {
        let gap = history.gap_around(self.at, Some(self.until), &refs(&self.watched));
        gap.map(|gap| gap.length)
    }

    /// How many writes ended so.
    pub(crate) fn count(&self, history: &History, outcome: Outcome) -> usize {
        let since = |instant: Instant| instant.saturating_duration_since(history.start);
        let during = since(self.at)..since(self.until);
        let is_watched = |gateway: usize| {
            let node = history.gateways.get(gateway);
            node.is_some_and(|node| self.watched.contains(node))
        };
        let writes = history.writes(outcome);
        writes
            .filter(|done| during.contains(&done.returned) && is_watched(done.gateway))
            .count()
    }
}

/// Whole milliseconds.
pub(crate) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use trial::{Kind, Operation};

    fn history(start: Instant) -> History {
        let operation = |(seq, (gateway, outcome)): (usize, (usize, Outcome))| Operation {
            writer: 0,
            seq: seq as u64,
            gateway,
            kind: Kind::Insert,
            invoked: Duration::from_millis(seq as u64 * 100),
            returned: Duration::from_millis(seq as u64 * 100),
            outcome,
        };
        let ended = [
            (0, Outcome::Failed),
            (0, Outcome::Ok),
            (1, Outcome::Failed),
            (0, Outcome::Failed),
            (0, Outcome::Ok),
        ];
        let operations = ended.into_iter().enumerate().map(operation).collect();
        History::new(start, vec!["alpha".into(), "bravo".into()], operations)
    }

    #[test]
    fn window_when_something_ended_outside_or_elsewhere_then_it_does_not_count() {
        let start = Instant::now();
        let window = Window {
            at: start + Duration::from_millis(150),
            until: start + Duration::from_millis(350),
            watched: vec!["alpha".into()],
        };
        let history = history(start);
        assert_eq!(window.count(&history, Outcome::Failed), 1);
        assert_eq!(window.gap(&history), Some(Duration::from_millis(300)));
    }
}
