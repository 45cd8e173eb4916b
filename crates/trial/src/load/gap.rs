//! The longest time without an acknowledged write: what an outage is, seen by an application.

use std::{
    fmt,
    time::{Duration, Instant},
};

use super::history::{History, Outcome};

/// A time without an acknowledgement at one gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The gateway's node.
    pub node: String,
    /// The last acknowledgement before it, since the load began.
    pub from: Duration,
    /// How long.
    pub length: Duration,
    /// It ended by an acknowledgement, not by the end of the load.
    pub ended: bool,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms at {}", self.length.as_millis(), self.node)?;
        if self.ended {
            Ok(())
        } else {
            f.write_str(" (and no write after it)")
        }
    }
}

impl History {
    /// The longest gap of each gateway.
    pub fn gaps(&self) -> Vec<Gap> {
        self.gateways
            .iter()
            .filter_map(|node| self.longest(node, Duration::ZERO, None))
            .collect()
    }

    /// The longest gap that these gateways saw around a fault: one that was open at that instant
    /// or began after it (and before `until`, if given).
    pub fn gap_around(&self, at: Instant, until: Option<Instant>, nodes: &[&str]) -> Option<Gap> {
        let since = |instant: Instant| instant.saturating_duration_since(self.start);
        let gaps = nodes
            .iter()
            .filter_map(|node| self.longest(node, since(at), until.map(since)));
        gaps.max_by_key(|gap| gap.length)
    }

    fn longest(&self, node: &str, after: Duration, before: Option<Duration>) -> Option<Gap> {
        let gateway = self.gateways.iter().position(|known| known == node)?;
        let writes = self
            .writes(Outcome::Ok)
            .filter(|done| done.gateway == gateway);
        let mut acknowledged: Vec<Duration> = writes.map(|done| done.returned).collect();
        acknowledged.sort_unstable();
        let ends = acknowledged
            .iter()
            .map(|at| (*at, true))
            .chain([(self.length, false)]);
        let starts = [Duration::ZERO]
            .into_iter()
            .chain(acknowledged.iter().copied());
        starts
            .zip(ends)
            .filter(|(from, (to, _))| *to > after && before.is_none_or(|before| *from < before))
            .map(|(from, (to, ended))| Gap {
                node: node.to_owned(),
                from,
                length: to.saturating_sub(from),
                ended,
            })
            .max_by_key(|gap| gap.length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, Operation};

    fn history(acknowledged_ms: &[u64], length_ms: u64) -> History {
        let operation = |(seq, at): (usize, &u64)| Operation {
            writer: 0,
            seq: seq as u64,
            gateway: 0,
            kind: Kind::Insert,
            invoked: Duration::from_millis(*at),
            returned: Duration::from_millis(*at),
            outcome: Outcome::Ok,
        };
        let operations = acknowledged_ms.iter().enumerate().map(operation).collect();
        let mut history = History::new(Instant::now(), vec!["alpha".into()], operations);
        history.close(Duration::from_millis(length_ms));
        history
    }

    #[test]
    fn gap_when_a_fault_lies_inside_it_then_it_is_measured_from_the_last_acknowledgement() {
        let history = history(&[10, 500, 520, 900, 950, 960], 1_000);
        let at = history.start + Duration::from_millis(600);
        let gap = history.gap_around(at, None, &["alpha"]).unwrap();
        assert_eq!(
            (gap.from.as_millis(), gap.length.as_millis(), gap.ended),
            (520, 380, true)
        );
        assert_eq!(history.gaps()[0].length.as_millis(), 490);
    }

    #[test]
    fn gap_when_no_write_follows_then_it_lasts_to_the_end_and_says_so() {
        let history = history(&[10, 20], 1_000);
        let at = history.start + Duration::from_millis(30);
        let gap = history.gap_around(at, None, &["alpha"]).unwrap();
        assert_eq!((gap.length.as_millis(), gap.ended), (980, false));
    }

    #[test]
    fn gap_when_an_end_is_given_then_later_ones_do_not_count() {
        let history = history(&[10, 110, 130, 900, 905], 910);
        let at = |ms| history.start + Duration::from_millis(ms);
        let gap = history
            .gap_around(at(50), Some(at(120)), &["alpha"])
            .unwrap();
        assert_eq!(gap.length.as_millis(), 100);
    }
}
