//! What the check found: counts, and every violation.

use std::fmt;

use super::violation::Violation;

/// How many violations of a verdict are printed in full.
const SHOWN: usize = 20;

/// The result of a trial.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// The nodes whose data was read.
    pub nodes: Vec<String>,
    /// Writes acknowledged.
    pub acknowledged: usize,
    /// Writes certainly not done.
    pub failed: usize,
    /// Writes of which the client does not know, and that are there.
    pub unknown_done: usize,
    /// Writes of which the client does not know, and that are not there.
    pub unknown_absent: usize,
    /// Reads checked.
    pub reads: usize,
    /// Transactions over lists checked.
    pub transactions: usize,
    pub(super) violations: Vec<Violation>,
}

impl Verdict {
    /// Nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.violations.is_empty()
    }

    /// Everything that is wrong.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How many acknowledged writes are missing somewhere (each node counts).
    pub fn lost(&self) -> usize {
        self.violations
            .iter()
            .filter(|found| matches!(found, Violation::Lost { .. }))
            .count()
    }

    /// How many anomalies the transactions show.
    pub fn anomalies(&self) -> usize {
        self.violations
            .iter()
            .filter(|found| matches!(found, Violation::Anomaly { .. }))
            .count()
    }

    /// Adds what another check found.
    pub fn add(&mut self, violation: Violation) {
        self.violations.push(violation);
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            acknowledged,
            failed,
            unknown_done,
            unknown_absent,
            reads,
            transactions,
            ..
        } = self;
        let nodes = self.nodes.join(", ");
        if self.is_good() {
            write!(
                f,
                "passed: all {acknowledged} acknowledged writes are on {nodes}, all equal; "
            )?;
        } else {
            let count = self.violations.len();
            write!(
                f,
                "FAILED: {count} things are wrong, {} acknowledged writes lost ",
                self.lost()
            )?;
            write!(f, "({acknowledged} acknowledged; looked at {nodes}); ")?;
        }
        write!(
            f,
            "{failed} refused; {} unknown, of which ",
            unknown_done + unknown_absent
        )?;
        write!(f, "{unknown_done} were done; {reads} reads")?;
        if *transactions > 0 {
            write!(f, "; {transactions} transactions checked, ")?;
            match self.anomalies() {
                0 => f.write_str("no anomaly")?,
                1 => f.write_str("1 anomaly")?,
                more => write!(f, "{more} anomalies")?,
            }
        }
        for violation in self.violations.iter().take(SHOWN) {
            write!(f, "\n  {violation}")?;
        }
        match self.violations.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, "\n  and {more} more"),
        }
    }
}
