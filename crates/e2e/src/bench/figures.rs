//! What was measured, beside what was asked and what others publish: as a table for a terminal,
//! as JSON, and as the table of a document.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::{self, Write},
    fs,
    path::Path,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use trial::{History, Outcome, Verdict};

use super::{row::Row, scene::Mark};
use crate::{
    Ground,
    summary::Summary,
    table,
    window::{Window, millis},
};

/// One row, measured.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figure {
    /// The row's key.
    pub key: String,
    /// What was measured.
    pub times: Summary,
    /// What was asked of the median, in milliseconds.
    pub asked_median_ms: Option<u64>,
    /// What was asked of the worst of twenty.
    pub asked_worst_ms: Option<u64>,
    /// Writes meanwhile, at the gateways asked for the gap, that clients were told are not done, or
    /// of which they do not know.
    pub errors: usize,
    /// Acknowledged writes that are missing after the row.
    pub lost: usize,
    /// Everything else that the check found wrong.
    pub anomalies: Vec<String>,
    /// Nothing lost, nothing odd, and the times are not over what was asked.
    pub is_ok: bool,
}

impl Figure {
    /// What these marks make of a row.
    pub(super) fn of(row: Row, marks: &[Mark], history: &History, verdict: &Verdict) -> Self {
        let marks: Vec<&Mark> = marks.iter().filter(|mark| mark.row == row).collect();
        let length = |mark: &&Mark| mark.took.or_else(|| mark.window.gap(history));
        let times_ms: Vec<u64> = marks.iter().filter_map(length).map(millis).collect();
        let times = Summary::of(&times_ms);
        let failed = |window: &Window| {
            window.count(history, Outcome::Failed) + window.count(history, Outcome::Unknown)
        };
        let errors = marks.iter().map(|mark| failed(&mark.window)).sum();
        let lost = verdict.lost();
        let anomalies: Vec<String> = if verdict.is_good() {
            Vec::new()
        } else {
            verdict
                .violations()
                .iter()
                .map(ToString::to_string)
                .collect()
        };
        let asked = row.asked();
        let is_fast = asked.as_ref().is_none_or(|asked| {
            times.median_ms <= asked.median_ms && times.worst_ms <= asked.worst_ms
        });
        let is_quiet = errors == 0 || !row.forbids_errors();
        Self {
            key: row.key().to_owned(),
            times,
            asked_median_ms: asked.as_ref().map(|asked| asked.median_ms),
            asked_worst_ms: asked.as_ref().map(|asked| asked.worst_ms),
            errors,
            lost,
            is_ok: is_fast && is_quiet && anomalies.is_empty() && times.count > 0,
            anomalies,
        }
    }

    fn row(&self) -> Option<Row> {
        Row::ALL.into_iter().find(|row| row.key() == self.key)
    }

    fn word(&self) -> &'static str {
        match (self.lost > 0, self.is_ok, self.asked_median_ms) {
            (true, _, _) => "LOST",
            (_, false, _) => "OVER",
            (_, true, None) => "-",
            (_, true, Some(_)) => "ok",
        }
    }

    /// For progress.
    pub(super) fn line(&self) -> String {
        let Summary {
            median_ms,
            p90_ms,
            worst_ms,
            ..
        } = self.times;
        let title = self.row().map_or("", Row::title);
        format!(
            "{title}: median {median_ms} ms, nine of ten {p90_ms} ms, worst {worst_ms} ms, {} errors: {}",
            self.errors,
            self.word()
        )
    }

    fn cells(&self) -> Vec<String> {
        let asked = match (self.asked_median_ms, self.asked_worst_ms) {
            (Some(median), Some(worst)) => format!("{} / {}", seconds(median), seconds(worst)),
            _ => "-".to_owned(),
        };
        vec![
            self.row().map_or("", Row::title).to_owned(),
            self.times.count.to_string(),
            seconds(self.times.median_ms),
            seconds(self.times.p90_ms),
            seconds(self.times.worst_ms),
            asked,
            self.errors.to_string(),
            self.lost.to_string(),
            self.word().to_owned(),
        ]
    }
}

fn seconds(ms: u64) -> String {
    format!("{:.2}", Duration::from_millis(ms).as_secs_f64())
}

/// All rows.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figures {
    /// Version of this document.
    pub version: u32,
    /// Data nodes.
    pub nodes: usize,
    /// Where they lived.
    pub layout: String,
    /// In the order of the table.
    pub rows: Vec<Figure>,
    /// What did not heal, or why the run could not go on.
    #[serde(default)]
    pub failure: Option<String>,
}

const HEADS: [&str; 9] = [
    "WRITE GAP, s",
    "TIMES",
    "MEDIAN",
    "P90",
    "WORST",
    "ASKED",
    "ERRORS",
    "LOST",
    "",
];

impl Figures {
    pub(super) fn new(ground: &Ground) -> Self {
        Self {
            version: 1,
            nodes: ground.nodes,
            layout: format!("{:?}", ground.layout).to_lowercase(),
            rows: Vec::new(),
            failure: None,
        }
    }

    /// Nothing is over, nothing lost.
    pub fn is_ok(&self) -> bool {
        self.failure.is_none() && self.rows.iter().all(|figure| figure.is_ok)
    }

    /// Takes a row in, in place of an older one.
    pub(super) fn put(&mut self, figure: Figure) {
        self.rows.retain(|known| known.key != figure.key);
        self.rows.push(figure);
        self.rows.sort_by_key(Figure::row);
    }

    pub(super) fn keep_only(&mut self, rows: &BTreeSet<Row>) {
        let is_wanted = |figure: &Figure| figure.row().is_some_and(|row| rows.contains(&row));
        self.rows.retain(is_wanted);
    }

    /// Puts these rows into a file of results in place of its older ones; returns all of the file's.
    ///
    /// # Errors
    /// The file cannot be read or written, or holds something else.
    pub fn merge_into(&self, path: &Path) -> Result<Self> {
        let shown = path.display();
        let mut all = match fs::read(path) {
            Ok(bytes) => serde_json::from_slice(&bytes).with_context(|| format!("read {shown}"))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Self {
                rows: Vec::new(),
                ..self.clone()
            },
            Err(error) => return Err(error).with_context(|| format!("read {shown}")),
        };
        if all.nodes != self.nodes {
            bail!(
                "{shown} is of {} data nodes, this of {}",
                all.nodes,
                self.nodes
            );
        }
        all.failure = None;
        for figure in &self.rows {
            all.put(figure.clone());
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).with_context(|| format!("create {}", parent.display()))?;
        }
        let text = serde_json::to_string_pretty(&all)?;
        fs::write(path, text + "\n").with_context(|| format!("write {shown}"))?;
        Ok(all)
    }

    /// The table of a document.
    pub fn markdown(&self) -> String {
        let mut text = String::from(
            "| write gap, s | times | median | nine of ten | worst | asked (median / worst) | errors | lost | |\n\
             |---|---|---|---|---|---|---|---|---|\n",
        );
        for figure in &self.rows {
            let _ = writeln!(text, "| {} |", figure.cells().join(" | "));
        }
        text
    }

    /// Replaces the block of this shape in a document.
    ///
    /// # Errors
    /// The document cannot be read or written, or has no such block.
    pub fn write_into(&self, path: &Path) -> Result<()> {
        let shown = path.display();
        let text = fs::read_to_string(path).with_context(|| format!("read {shown}"))?;
        let begin = format!("<!-- figures of {} nodes -->\n", self.nodes);
        let end = format!("<!-- end of figures of {} nodes -->", self.nodes);
        let cut = text
            .split_once(&begin)
            .and_then(|(head, rest)| Some((head, rest.split_once(&end)?.1)));
        let (head, tail) = cut.with_context(|| format!("{shown} has no `{}`", begin.trim()))?;
        let fresh = format!("{head}{begin}\n{}\n{end}{tail}", self.markdown());
        fs::write(path, fresh).with_context(|| format!("write {shown}"))
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<Vec<String>> = self.rows.iter().map(Figure::cells).collect();
        f.write_str(&table::lay_out(&HEADS, &rows))?;
        let mut published: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for row in self.rows.iter().filter_map(Figure::row) {
            published
                .entry(row.published())
                .or_default()
                .push(row.key());
        }
        published.remove("-");
        for (others, keys) in published {
            write!(f, "\npublished by others for {}: {others}", keys.join(", "))?;
        }
        for figure in &self.rows {
            for anomaly in &figure.anomalies {
                write!(f, "\nANOMALY {}: {anomaly}", figure.key)?;
            }
        }
        if let Some(failure) = &self.failure {
            write!(f, "\nNOT HEALED: {failure}")?;
        }
        writeln!(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(rows: &[(Row, u64)]) -> Figures {
        let figure = |(row, ms): &(Row, u64)| Figure {
            key: row.key().to_owned(),
            times: Summary::of(&[*ms]),
            asked_median_ms: None,
            asked_worst_ms: None,
            errors: 0,
            lost: 0,
            anomalies: Vec::new(),
            is_ok: true,
        };
        Figures {
            version: 1,
            nodes: 2,
            layout: "loopback".to_owned(),
            rows: rows.iter().map(figure).collect(),
            failure: None,
        }
    }

    #[test]
    fn figures_when_rows_are_measured_again_then_the_file_has_the_newer_ones_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b.json");
        let first = figures(&[(Row::NodeKilled, 1), (Row::Switchover, 2)]);
        first.merge_into(&path).unwrap();
        let all = figures(&[(Row::Switchover, 3), (Row::Nothing, 4)]).merge_into(&path);
        let rows = all.unwrap().rows;
        let rows: Vec<(&str, u64)> = rows
            .iter()
            .map(|figure| (figure.key.as_str(), figure.times.worst_ms))
            .collect();
        assert_eq!(
            rows,
            [("nothing", 4), ("node-killed", 1), ("switchover", 3)]
        );
    }

    #[test]
    fn document_when_written_then_only_the_block_of_this_shape_changes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.md");
        let block = |nodes: u32, inside: &str| {
            format!(
                "<!-- figures of {nodes} nodes -->\n{inside}<!-- end of figures of {nodes} nodes -->\n"
            )
        };
        fs::write(
            &path,
            format!("# A\n{}{}z\n", block(2, "old\n"), block(3, "kept\n")),
        )
        .unwrap();
        figures(&[(Row::Nothing, 4)]).write_into(&path).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# A\n") && text.ends_with(&format!("{}z\n", block(3, "kept\n"))));
        assert!(text.contains("| nothing done") && !text.contains("old"));
        fs::write(&path, "nothing of the kind\n").unwrap();
        assert!(figures(&[]).write_into(&path).is_err());
    }
}
