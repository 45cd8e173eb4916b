//! All that was measured: as tables for a terminal, as JSON, and as the tables of a document.

use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    fs,
    path::Path,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use super::{
    asked::{self, Asked},
    cell::{Cell, Sample},
    peer::Peer,
    workload::Workload,
};
use crate::table;

/// What was measured, and under which circumstances.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Figures {
    /// Version of this document.
    pub version: u32,
    /// Circumstances: versions, how long, how busy the machine was.
    pub notes: BTreeMap<String, String>,
    /// In the order of the table.
    pub cells: Vec<Cell>,
    /// Figures that noise cannot disturb, by figure and peer.
    pub exact: BTreeMap<String, BTreeMap<String, f64>>,
    /// What is asked for, held against this.
    pub asked: Vec<Asked>,
    /// What could not be measured, and why.
    pub failures: Vec<String>,
}

const HEADS: [&str; 13] = [
    "WORKLOAD, THREADS, WAY",
    "ROUNDS",
    "CPU us",
    "OF IT USER",
    "OF IT BESIDE",
    "OTHERS us",
    "THERE us",
    "x HAPROXY",
    "QUERIES/s",
    "P50 us",
    "P95 us",
    "P99 us",
    "ERRORS",
];
/// The order of the exact figures.
const ORDER: [&str; 9] = [
    "instructions",
    "syscalls",
    "KiB",
    "MiB idle",
    "during a packet",
    "after a packet",
    "during a result",
    "idle clients",
    "gone",
];
const COLUMNS: &str = "\
| workload | threads | way | rounds | CPU us | of it user | of it beside | others us | there us | x HAProxy | queries/s | p50 us | p95 us | p99 us | errors |
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|
";

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "-".to_owned(), |value| format!("{value:.digits$}"))
}

impl Figures {
    /// Takes cells and counts in, in place of older ones, and judges anew.
    pub(super) fn put(&mut self, other: Self) {
        self.version = 1;
        for cell in other.cells {
            let is_older = |known: &Cell| known.is_beside(&cell) && known.peer == cell.peer;
            self.cells.retain(|known| !is_older(known));
            self.cells.push(cell);
        }
        self.cells.sort_by_key(|cell| {
            (
                Workload::of(&cell.workload),
                cell.one_way_us,
                cell.threads,
                Peer::of(&cell.peer),
            )
        });
        for (figure, of) in other.exact {
            self.exact.entry(figure).or_default().extend(of);
        }
        self.notes.extend(other.notes);
        self.failures = other.failures;
        self.asked = asked::judge(&self.cells, &self.exact);
    }

    /// Everything that was asked for is so, and everything could be measured.
    pub fn is_ok(&self) -> bool {
        self.failures.is_empty() && self.asked.iter().all(Asked::is_ok)
    }

    /// Puts these into a file of results; returns all that is in it then.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something else.
    pub fn merge_into(&self, path: &Path) -> Result<Self> {
        let shown = path.display();
        let mut all: Self = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("read {shown}"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self::default(),
            Err(error) => return Err(error).with_context(|| format!("read {shown}")),
        };
        all.put(self.clone());
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        }
        let text = serde_json::to_string_pretty(&all)? + "\n";
        fs::write(path, text).with_context(|| format!("write {shown}"))?;
        Ok(all)
    }

    /// What a cell has beside its name.
    fn values(&self, cell: &Cell) -> Vec<String> {
        let haproxy = self
            .cells
            .iter()
            .find(|other| other.is_beside(cell) && other.peer == Peer::HaProxy.key());
        let ratio = haproxy.and_then(|haproxy| cell.ratio(haproxy, Sample::cost_us));
        let some = |of: fn(&Sample) -> f64| cell.median(|sample| Some(of(sample)));
        let failed = cell.failures().count();
        let rounds = cell.rounds.len();
        let rounds = if failed > 0 {
            format!("{} of {rounds}", rounds - failed)
        } else {
            rounds.to_string()
        };
        vec![
            rounds,
            number(cell.median(Sample::cost_us), 1),
            number(cell.median(|sample| sample.user_us), 1),
            number(cell.median(|sample| sample.beside_us), 1),
            number(cell.median(|sample| sample.others_us), 1),
            number(cell.median(|sample| sample.there_us), 1),
            number(ratio, 2),
            number(some(|sample| sample.rate), 0),
            number(some(|sample| sample.p50_us), 0),
            number(some(|sample| sample.p95_us), 0),
            number(some(|sample| sample.p99_us), 0),
            cell.errors().to_string(),
        ]
    }

    /// The peers that have exact figures, in order.
    fn counted(&self) -> Vec<Peer> {
        let is_counted = |peer: &Peer| self.exact.values().any(|of| of.contains_key(peer.key()));
        Peer::ALL.into_iter().filter(is_counted).collect()
    }

    fn counts(&self, peers: &[Peer]) -> Vec<Vec<String>> {
        let row = |(figure, of): (&String, &BTreeMap<String, f64>)| {
            let value = |peer: &Peer| {
                let value = of.get(peer.key()).copied();
                number(
                    value,
                    if value.is_some_and(|value| value >= 100.0) {
                        0
                    } else {
                        2
                    },
                )
            };
            [figure.clone()]
                .into_iter()
                .chain(peers.iter().map(value))
                .collect()
        };
        let mut all: Vec<_> = self.exact.iter().collect();
        all.sort_by_key(|(figure, _)| ORDER.iter().position(|part| figure.contains(part)));
        all.into_iter().map(row).collect()
    }

    fn judged(&self) -> Vec<Vec<String>> {
        let row = |asked: &Asked| {
            let relation = if asked.at_least {
                "at least"
            } else {
                "at most"
            };
            vec![
                asked.what.clone(),
                number(Some(asked.measured), 2),
                format!("{relation} {:.2}", asked.limit),
                asked.word().to_owned(),
            ]
        };
        self.asked.iter().map(row).collect()
    }

    fn measured(&self) -> String {
        let mut text = String::from(COLUMNS);
        for cell in &self.cells {
            let (workload, threads, peer) = (cell.what(), cell.threads, &cell.peer);
            let values = self.values(cell).join(" | ");
            let _ = writeln!(text, "| {workload} | {threads} | {peer} | {values} |");
        }
        text
    }

    fn notes(&self) -> String {
        let mut text = String::new();
        for (what, how) in &self.notes {
            let _ = writeln!(text, "- {what}: {how}");
        }
        text
    }

    /// Replaces the blocks of a document.
    ///
    /// # Errors
    /// The document cannot be read or written, or lacks a block.
    pub fn write_into(&self, path: &Path) -> Result<()> {
        let shown = path.display();
        let mut text = fs::read_to_string(path).with_context(|| format!("read {shown}"))?;
        let peers = self.counted();
        let mut heads = vec!["figure".to_owned()];
        heads.extend(peers.iter().map(|peer| peer.key().to_owned()));
        let asked = ["asked", "measured", "limit", ""].map(str::to_owned);
        for (block, fresh) in [
            ("circumstances", self.notes()),
            ("asked", markdown(&asked, &self.judged())),
            ("measured", self.measured()),
            ("exact", markdown(&heads, &self.counts(&peers))),
        ] {
            text = replace(&text, block, &fresh)
                .with_context(|| format!("{shown} has no block `{block}`"))?;
        }
        fs::write(path, text).with_context(|| format!("write {shown}"))
    }
}

fn markdown(heads: &[String], rows: &[Vec<String>]) -> String {
    let mut text = format!(
        "| {} |\n|{}\n",
        heads.join(" | "),
        "---|".repeat(heads.len())
    );
    for row in rows {
        let _ = writeln!(text, "| {} |", row.join(" | "));
    }
    text
}

fn replace(text: &str, block: &str, fresh: &str) -> Option<String> {
    let begin = format!("<!-- gateway figures: {block} -->\n");
    let end = format!("<!-- end of gateway figures: {block} -->");
    let (head, rest) = text.split_once(&begin)?;
    let (_, tail) = rest.split_once(&end)?;
    Some(format!("{head}{begin}\n{fresh}\n{end}{tail}"))
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cells = self.cells.iter().map(|cell| {
            let name = format!("{}, {}, {}", cell.what(), cell.threads, cell.peer);
            [name].into_iter().chain(self.values(cell)).collect()
        });
        let cells: Vec<Vec<String>> = cells.collect();
        if !cells.is_empty() {
            writeln!(f, "{}", table::lay_out(&HEADS, &cells))?;
        }
        let peers = self.counted();
        if !peers.is_empty() {
            let mut heads = vec!["FIGURE"];
            heads.extend(peers.iter().map(|peer| peer.key()));
            writeln!(f, "{}", table::lay_out(&heads, &self.counts(&peers)))?;
        }
        if !self.asked.is_empty() {
            let heads = ["ASKED", "MEASURED", "LIMIT", ""];
            writeln!(f, "{}", table::lay_out(&heads, &self.judged()))?;
        }
        f.write_str(&self.notes())?;
        for failure in &self.failures {
            writeln!(f, "NOT MEASURED: {failure}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(peer: Peer, threads: u32, cost: f64) -> Figures {
        let cell = Cell {
            workload: Workload::PointText.key().to_owned(),
            threads,
            peer: peer.key().to_owned(),
            one_way_us: None,
            rounds: vec![Sample {
                user_us: Some(cost),
                system_us: Some(0.0),
                ..Sample::default()
            }],
        };
        let of = BTreeMap::from([(peer.key().to_owned(), cost)]);
        Figures {
            cells: vec![cell],
            exact: BTreeMap::from([("syscalls 1 connection".to_owned(), of)]),
            ..Figures::default()
        }
    }

    #[test]
    fn figures_when_measured_again_then_the_file_has_the_newer_ones_in_order_and_judged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.json");
        figures(Peer::Mainstay, 8, 10.0).merge_into(&path).unwrap();
        figures(Peer::HaProxy, 8, 20.0).merge_into(&path).unwrap();
        let all = figures(Peer::Mainstay, 8, 15.0).merge_into(&path).unwrap();
        let order: Vec<&str> = all.cells.iter().map(|cell| cell.peer.as_str()).collect();
        assert_eq!(order, ["haproxy", "mainstay"]);
        assert!((all.asked[0].measured - 0.75).abs() < 1e-9);
        assert!(!all.is_ok(), "15 system calls are too many");
        assert!(all.to_string().contains("OVER"));
    }

    #[test]
    fn document_when_written_then_only_its_blocks_change() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.md");
        let block = |name: &str| {
            format!(
                "<!-- gateway figures: {name} -->\nold\n<!-- end of gateway figures: {name} -->\n"
            )
        };
        let text = ["circumstances", "asked", "measured", "exact"]
            .map(block)
            .concat();
        fs::write(&path, format!("# A\n{text}z\n")).unwrap();
        figures(Peer::HaProxy, 8, 20.0).write_into(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# A\n") && text.ends_with("z\n") && !text.contains("old"));
        assert!(text.contains("| point-text | 8 | haproxy | 1 | 20.0 | 20.0 | - | - | - | 1.00 |"));
        fs::write(&path, "nothing of the kind\n").unwrap();
        assert!(figures(Peer::HaProxy, 8, 1.0).write_into(&path).is_err());
    }
}
