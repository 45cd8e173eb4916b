//! Which server a read goes to, by load and lag.

use std::time::Duration;

/// A server that may answer a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Load {
    /// Statements of this gateway that run there.
    pub(crate) running: usize,
    /// How far behind the primary it is; `None`: nobody knows, or it does not follow.
    pub(crate) lag: Option<Duration>,
}

/// So many statements more must run on the primary than on a replica before a read goes there. Why not at the first: it
/// costs a question to the primary, another connection, and perhaps a wait until a write has been applied. While little
/// runs on the primary it has answered before all that is done (a point select: 0.1 ms there, 1.4 to 2.8 ms on a replica
/// beside a load that writes).
pub(crate) const WORTH_THE_WAY: usize = 4;

/// The replica for a read, or `None` for the primary: the one on which least runs, once more by [`WORTH_THE_WAY`] runs on
/// the primary. A replica that is further behind than `max_lag` gets no reads.
pub(crate) fn choose(
    primary: usize,
    replicas: impl Iterator<Item = Load>,
    max_lag: Duration,
) -> Option<usize> {
    let fresh = replicas
        .enumerate()
        .filter(|(_, load)| load.lag.is_some_and(|lag| lag <= max_lag));
    let (place, least) = fresh.min_by_key(|(_, load)| load.running)?;
    (least.running.saturating_add(WORTH_THE_WAY) < primary).then_some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: Duration = Duration::from_millis(500);

    fn load(running: usize, lag: u64) -> Load {
        Load {
            running,
            lag: Some(Duration::from_millis(lag)),
        }
    }

    fn choose(primary: usize, replicas: &[Load], max_lag: Duration) -> Option<usize> {
        super::choose(primary, replicas.iter().copied(), max_lag)
    }

    #[test]
    fn a_read_when_the_primary_is_not_much_busier_goes_there_else_to_the_least_busy() {
        assert_eq!(choose(0, &[load(0, 0)], MAX), None);
        assert_eq!(choose(4, &[load(0, 0)], MAX), None);
        assert_eq!(choose(5, &[load(0, 0)], MAX), Some(0));
        assert_eq!(choose(7, &[load(3, 0), load(2, 0)], MAX), Some(1));
        assert_eq!(choose(9, &[], MAX), None);
    }

    #[test]
    fn a_replica_when_it_lags_or_does_not_follow_gets_no_reads() {
        let stopped = Load {
            running: 0,
            lag: None,
        };
        assert_eq!(choose(9, &[load(0, 501), stopped], MAX), None);
        assert_eq!(choose(10, &[load(0, 501), load(5, 500)], MAX), Some(1));
    }

    #[test]
    fn reads_when_they_keep_coming_are_shared_evenly() {
        let mut running = [0, 0];
        for _ in 0..100 {
            match choose(running[0], &[load(running[1], 0)], MAX) {
                None => running[0] += 1,
                Some(_) => running[1] += 1,
            }
        }
        assert_eq!(running, [52, 48]);
    }
}
