//! `mainstay why`: the last decisions of a node, each with its sentence and evidence.

use std::fmt::Write as _;
use std::time::Duration;

use clap::Args;
use cluster::NodeName;
use keeper::Remark;
use serde::Serialize;

use super::{Context, node_name};
use crate::control::Request;
use crate::output::{Exit, Result, Style, paint};

/// Show the last decisions of a node, with their reasons
#[derive(Args, Debug)]
pub(super) struct Why {
    /// Of which node; of this one when none is named
    #[arg(value_name = "NODE", value_parser = node_name)]
    node: Option<NodeName>,
    /// How many at most
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    last: usize,
}

const LIMIT: Duration = Duration::from_secs(5);

/// One decision as JSON.
#[derive(Serialize)]
struct Decision<'a> {
    at: String,
    reason: &'a str,
    actions: &'a [String],
    evidence: &'a str,
}

impl Why {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        let all: Vec<Remark> = context.ask(&Request::Why { node: self.node }, LIMIT)?;
        let last = &all[all.len().saturating_sub(self.last)..];
        if context.output.json {
            let decisions: Vec<Decision> = last.iter().map(Decision::of).collect();
            context.output.json(&decisions)?;
            return Ok(Exit::Done);
        }
        if last.is_empty() {
            context.output.talk("it has decided nothing yet");
        }
        for remark in last {
            context
                .output
                .data(&text(remark, context.output.is_data_coloured))?;
        }
        Ok(Exit::Done)
    }
}

impl<'a> Decision<'a> {
    fn of(remark: &'a Remark) -> Self {
        let Remark {
            at,
            reason,
            actions,
            evidence,
        } = remark;
        Self {
            at: time(*at),
            reason,
            actions,
            evidence,
        }
    }
}

fn text(remark: &Remark, is_coloured: bool) -> String {
    let quiet = |text: &str| paint(text, Style::Quiet, is_coloured);
    let mut lines = format!("{}  {}", quiet(&time(remark.at)), remark.reason);
    if !remark.actions.is_empty() {
        let _ = write!(
            lines,
            "\n    {} {}",
            quiet("did:"),
            remark.actions.join(", ")
        );
    }
    if !remark.evidence.is_empty() {
        let _ = write!(lines, "\n    {} {}", quiet("saw:"), remark.evidence);
    }
    lines
}

fn time(ms: u64) -> String {
    let at = i64::try_from(ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(|| "?".to_owned(), |at| format!("{at:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remark_when_printed_then_time_sentence_actions_and_evidence_stand_below_each_other() {
        let remark = Remark {
            at: 1_795_176_000_250,
            reason: "takes over from bravo: it is gone".to_owned(),
            actions: vec!["swap the document".to_owned()],
            evidence: "epoch 7".to_owned(),
        };
        assert_eq!(
            text(&remark, false),
            "2026-11-20T12:00:00.250Z  takes over from bravo: it is gone\n    did: swap the document\n    saw: epoch 7"
        );
    }
}
