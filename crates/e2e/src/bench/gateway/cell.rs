//! One cell of the table: one kind of work, so many threads, one way to the database, measured in some
//! rounds.

use serde::{Deserialize, Serialize};

/// One round of a cell. Times are microseconds; processor time is the proxy's own, for each query.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Queries answered.
    pub queries: u64,
    /// Queries a second.
    pub rate: f64,
    /// Half of all events (queries, transactions, visits) took at most so long.
    pub p50_us: f64,
    /// Of 100 events, 95.
    pub p95_us: f64,
    /// Of 100 events, 99.
    pub p99_us: f64,
    /// Processor time in user space; none for the server itself.
    pub user_us: Option<f64>,
    /// Processor time in the kernel.
    pub system_us: Option<f64>,
    /// Of a gateway: processor time of its agent's other threads for its sake, because what goes to another node's server
    /// passes through them. It is `others_us` less what these threads spent while another way carried the load (`others.rs`).
    #[serde(default)]
    pub beside_us: Option<f64>,
    /// Processor time of the agent's other threads for each query, above what they spend when nobody asks: the gateway's agent,
    /// or, for ways without one, that of the primary's node, whose replication they carry.
    #[serde(default)]
    pub others_us: Option<f64>,
    /// Of a gateway: processor time by which the agents of the data nodes have carried to their servers what came from another
    /// node's gateway, for each query.
    #[serde(default)]
    pub there_us: Option<f64>,
    /// Errors that clients met and went on after.
    pub errors: u64,
    /// Why there are no figures.
    pub failure: Option<String>,
}

impl Sample {
    /// Processor time of a query in user space and in the kernel, wherever in the process.
    pub(super) fn cost_us(&self) -> Option<f64> {
        Some(self.user_us? + self.system_us? + self.beside_us.unwrap_or(0.0))
    }
}

/// A cell with all its rounds; a round that failed is there too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cell {
    /// What clients did.
    pub workload: String,
    /// How many of them.
    pub threads: u32,
    /// Which way.
    pub peer: String,
    /// There is a cable between the nodes, on which each frame is so late at least, in microseconds each way; none: all is on
    /// one loopback.
    #[serde(default)]
    pub one_way_us: Option<u32>,
    /// In their order.
    pub rounds: Vec<Sample>,
}

impl Cell {
    /// The same work under the same circumstances, maybe by another way.
    pub(super) fn is_beside(&self, other: &Self) -> bool {
        let key = |cell: &Self| (cell.threads, cell.one_way_us);
        self.workload == other.workload && key(self) == key(other)
    }

    /// What was done, and across what.
    pub(super) fn what(&self) -> String {
        let workload = &self.workload;
        match self.one_way_us {
            Some(us) => format!("{workload} over a cable of {us} us"),
            None => workload.clone(),
        }
    }

    /// The median over the rounds that did not fail.
    pub(super) fn median(&self, of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        median(
            self.rounds
                .iter()
                .filter(|sample| sample.failure.is_none())
                .filter_map(of),
        )
    }

    /// The median of the ratios of rounds of the same number.
    pub(super) fn ratio(&self, to: &Self, of: impl Fn(&Sample) -> Option<f64>) -> Option<f64> {
        let pairs = self.rounds.iter().zip(&to.rounds);
        median(pairs.filter_map(|(own, other)| {
            let failed = own.failure.is_some() || other.failure.is_some();
            let base = of(other).filter(|base| *base > 0.0 && !failed)?;
            Some(of(own)? / base)
        }))
    }

    pub(super) fn errors(&self) -> u64 {
        self.rounds.iter().map(|sample| sample.errors).sum()
    }

    pub(super) fn failures(&self) -> impl Iterator<Item = &str> {
        self.rounds
            .iter()
            .filter_map(|sample| sample.failure.as_deref())
    }
}

/// The middle one, or the mean of the two in the middle.
pub(super) fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut sorted: Vec<f64> = values.filter(|value| value.is_finite()).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let upper = *sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(costs: &[Option<f64>]) -> Cell {
        let sample = |cost: &Option<f64>| Sample {
            user_us: *cost,
            system_us: Some(0.0),
            failure: cost.is_none().then(|| "why".to_owned()),
            ..Sample::default()
        };
        Cell {
            workload: "connect".to_owned(),
            threads: 1,
            peer: "direct".to_owned(),
            one_way_us: None,
            rounds: costs.iter().map(sample).collect(),
        }
    }

    #[test]
    fn median_when_the_count_is_even_then_it_is_between_the_two_in_the_middle() {
        assert_eq!(median([4.0, 1.0, 9.0].into_iter()), Some(4.0));
        assert_eq!(median([4.0, 1.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn ratio_when_a_round_failed_then_it_is_of_the_others_in_the_same_rounds() {
        let own = cell(&[Some(2.0), Some(100.0), Some(9.0)]);
        let other = cell(&[Some(1.0), None, Some(3.0)]);
        assert_eq!(own.ratio(&other, Sample::cost_us), Some(2.5));
        assert_eq!(other.median(Sample::cost_us), Some(2.0));
        assert_eq!(other.failures().count(), 1);
    }
}
