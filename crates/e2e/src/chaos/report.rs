//! What a run of chaos found: faults by kind with gaps and recoveries, errors, acknowledged,
//! lost, anomalies, and the bound that all this gives. As a table and as JSON.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    time::{Duration, Instant},
};

use serde::Serialize;
use trial::{History, Outcome, Verdict, Violation};

use super::{Mishap, Wish, mishap::Draw};
use crate::{
    Ground,
    summary::Summary,
    table,
    window::{Window, millis},
};

/// How many anomalies are kept as text.
const KEPT: usize = 50;
/// A gap that is longer is named.
const SLOW: Duration = Duration::from_secs(10);

/// One misfortune that happened.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) number: u64,
    pub(super) mishap: Mishap,
    pub(super) role: &'static str,
    pub(super) victim: String,
    pub(super) window: Window,
    /// From the healing until the cluster was whole; `None` when it never was.
    pub(super) recovered: Option<Duration>,
}

impl Round {
    pub(super) fn new(number: u64, drawn: Draw, victim: &str, at: Instant) -> Self {
        Self {
            number,
            mishap: drawn.mishap,
            role: drawn.victim.name(),
            victim: victim.to_owned(),
            window: Window {
                at,
                until: at,
                watched: Vec::new(),
            },
            recovered: None,
        }
    }

    /// Such as `server killed, primary`.
    pub(super) fn label(&self) -> String {
        match self.mishap {
            Mishap::Switchover => self.mishap.name(),
            Mishap::Cut => format!("cut between primary and {}", self.role),
            _ => format!("{}, {}", self.mishap.name(), self.role),
        }
    }
}

/// One kind of misfortune.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Kind {
    /// How often it happened.
    pub count: usize,
    /// The longest time without an acknowledged write at a gateway that was not struck.
    pub gap: Summary,
    /// From the healing until every node was primary or replica, and the cluster protected.
    pub recovery: Summary,
    /// Writes at those gateways that clients were told are certainly not done, meanwhile.
    pub refused: usize,
    /// Writes at those gateways of which clients do not know, meanwhile.
    pub unknown: usize,
    #[serde(skip)]
    gaps_ms: Vec<u64>,
    #[serde(skip)]
    recoveries_ms: Vec<u64>,
}

/// Everything a run found.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Version of this document.
    pub version: u32,
    /// What was asked for.
    pub seed: u64,
    /// The first round.
    pub from: u64,
    /// Only these kinds; all when empty.
    pub only: Vec<String>,
    /// Data nodes.
    pub nodes: usize,
    /// Where they lived.
    pub layout: String,
    /// Their disks could be broken.
    pub disks: bool,
    /// How long it took.
    pub seconds: u64,
    /// By kind.
    pub kinds: BTreeMap<String, Kind>,
    /// How often clients met each kind of error.
    pub errors: BTreeMap<String, u64>,
    /// How often everything was checked.
    pub checks: u64,
    /// Writes acknowledged.
    pub acknowledged: u64,
    /// Writes certainly not done.
    pub refused: u64,
    /// Writes of which the clients do not know.
    pub unknown: u64,
    /// Reads checked.
    pub reads: u64,
    /// Acknowledged writes that are missing somewhere.
    pub lost: u64,
    /// Everything else that was wrong, in words; at most fifty.
    pub anomalies: Vec<String>,
    /// Rounds in which writes stood still for longer than ten seconds at a gateway that was not
    /// struck: nothing is lost, and somebody should look.
    pub slow: Vec<String>,
    /// The round that did not heal, or in which the run could not go on.
    pub failed_round: Option<u64>,
    /// What went wrong there.
    pub failure: Option<String>,
    /// Why the last stretch of load could not be checked: nothing is known of its writes.
    pub unchecked: Option<String>,
    /// A person ended it early.
    pub interrupted: bool,
}

impl Report {
    pub(super) fn new(ground: &Ground, wish: &Wish) -> Self {
        Self {
            version: 1,
            seed: wish.seed,
            from: wish.from,
            nodes: ground.nodes,
            layout: format!("{:?}", ground.layout).to_lowercase(),
            disks: ground.disk_mib.is_some(),
            only: wish.only.clone(),
            seconds: 0,
            kinds: BTreeMap::new(),
            errors: BTreeMap::new(),
            checks: 0,
            acknowledged: 0,
            refused: 0,
            unknown: 0,
            reads: 0,
            lost: 0,
            anomalies: Vec::new(),
            slow: Vec::new(),
            failed_round: None,
            failure: None,
            unchecked: None,
            interrupted: false,
        }
    }

    /// Nothing was lost, nothing was odd, everything healed.
    pub fn is_good(&self) -> bool {
        self.lost == 0
            && self.anomalies.is_empty()
            && self.failure.is_none()
            && self.unchecked.is_none()
    }

    /// How many misfortunes there were, switchovers included.
    pub fn faults(&self) -> u64 {
        self.kinds.values().map(|kind| kind.count as u64).sum()
    }

    pub(super) fn fail(&mut self, round: u64, error: &anyhow::Error) {
        self.failed_round = Some(round);
        self.failure = Some(format!("{error:#}"));
    }

    /// Notes a stretch of which nothing is known but what happened.
    pub(super) fn take_unchecked(&mut self, rounds: &[Round], error: &anyhow::Error) {
        for round in rounds {
            let kind = self.kinds.entry(round.label()).or_default();
            kind.count += 1;
        }
        self.unchecked = Some(format!("{error:#}"));
    }

    /// Takes a checked stretch in.
    pub(super) fn take(&mut self, rounds: &[Round], history: &History, verdict: &Verdict) {
        for round in rounds {
            let kind = self.kinds.entry(round.label()).or_default();
            kind.take(round, history);
            if let Some(gap) = round.window.gap(history).filter(|gap| *gap > SLOW) {
                let (number, label, victim) = (round.number, round.label(), &round.victim);
                let gap = gap.as_secs_f64();
                let slow = format!("round {number}: {label} ({victim}): no write for {gap:.1} s");
                self.slow.push(slow);
            }
        }
        self.checks += 1;
        self.acknowledged += verdict.acknowledged as u64;
        self.refused += verdict.failed as u64;
        self.unknown += (verdict.unknown_done + verdict.unknown_absent) as u64;
        self.reads += verdict.reads as u64;
        self.lost += verdict.lost() as u64;
        for (error, count) in &history.errors {
            *self.errors.entry(error.clone()).or_default() += count;
        }
        let others = verdict.violations().iter();
        let others = others.filter(|found| !matches!(found, Violation::Lost { .. }));
        for found in others {
            if self.anomalies.len() < KEPT {
                self.anomalies.push(found.to_string());
            }
        }
        if !verdict.is_good() && self.failed_round.is_none() {
            self.failed_round = rounds.last().map(|round| round.number);
        }
    }

    /// One line.
    pub fn line(&self) -> String {
        let gaps = self.kinds.values().map(|kind| kind.gap.worst_ms);
        format!(
            "{} misfortunes, worst gap {} ms, {} acknowledged, {} lost, errors {}",
            self.faults(),
            gaps.max().unwrap_or(0),
            self.acknowledged,
            self.lost,
            self.errors_line()
        )
    }

    fn errors_line(&self) -> String {
        let parts = self.errors.iter();
        let parts: Vec<String> = parts
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        if parts.is_empty() {
            "none".to_owned()
        } else {
            parts.join(", ")
        }
    }

    /// How to see it again.
    pub fn repeat_line(&self) -> String {
        let Self { seed, nodes, .. } = self;
        let mut line = format!("cargo xtask chaos --seed {seed} --nodes {nodes}");
        if self.layout == "loopback" {
            line.push_str(" --loopback");
        } else if !self.disks {
            line.push_str(" --no-disks");
        }
        for only in &self.only {
            let _ = write!(line, " --only '{only}'");
        }
        let round = self.failed_round.unwrap_or(self.from);
        let _ = write!(line, " --from {round}");
        line
    }
}

impl Kind {
    fn take(&mut self, round: &Round, history: &History) {
        self.count += 1;
        let gap = round.window.gap(history);
        self.gaps_ms.extend(gap.map(millis));
        self.recoveries_ms.extend(round.recovered.map(millis));
        self.gap = Summary::of(&self.gaps_ms);
        self.recovery = Summary::of(&self.recoveries_ms);
        self.refused += round.window.count(history, Outcome::Failed);
        self.unknown += round.window.count(history, Outcome::Unknown);
    }

    fn row(&self, name: &str) -> Vec<String> {
        let seconds = |ms: u64| format!("{:.2}", Duration::from_millis(ms).as_secs_f64());
        vec![
            name.to_owned(),
            self.count.to_string(),
            seconds(self.gap.median_ms),
            seconds(self.gap.worst_ms),
            seconds(self.recovery.median_ms),
            seconds(self.recovery.worst_ms),
            self.refused.to_string(),
            self.unknown.to_string(),
        ]
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let heads = [
            "WHAT HAPPENED",
            "TIMES",
            "GAP s",
            "WORST",
            "WHOLE AFTER s",
            "WORST",
            "REFUSED",
            "UNKNOWN",
        ];
        let rows: Vec<Vec<String>> = self
            .kinds
            .iter()
            .map(|(name, kind)| kind.row(name))
            .collect();
        f.write_str(&table::lay_out(&heads, &rows))?;
        let (minutes, seconds) = (self.seconds / 60, self.seconds % 60);
        let faults = self.faults();
        writeln!(
            f,
            "\nfaults        {faults} in {minutes} min {seconds} s, {} data nodes, {}, seed {}, checked {} times",
            self.nodes, self.layout, self.seed, self.checks
        )?;
        writeln!(
            f,
            "writes        {} acknowledged, {} of them lost; {} refused, {} unknown; {} reads",
            self.acknowledged, self.lost, self.refused, self.unknown, self.reads
        )?;
        writeln!(f, "errors        {}", self.errors_line())?;
        if self.interrupted {
            writeln!(f, "ended early   as it was asked to")?;
        }
        for anomaly in &self.anomalies {
            writeln!(f, "ANOMALY       {anomaly}")?;
        }
        for slow in &self.slow {
            writeln!(f, "SLOW          {slow}")?;
        }
        if let Some(failure) = &self.failure {
            let round = self.failed_round.unwrap_or(self.from);
            writeln!(f, "NOT HEALED    round {round}: {failure}")?;
        }
        if let Some(unchecked) = &self.unchecked {
            writeln!(f, "NOT CHECKED   the last stretch of load: {unchecked}")?;
        }
        if !self.is_good() {
            return writeln!(
                f,
                "to repeat     {}  (that round first; --from {} for the whole run)",
                self.repeat_line(),
                self.from
            );
        }
        let bound = 300.0 / faults.max(1) as f64;
        write!(
            f,
            "bound         a fault loses an acknowledged write in less than {:.2} % of cases (95 %, rule of three)",
            bound.min(100.0)
        )
    }
}
