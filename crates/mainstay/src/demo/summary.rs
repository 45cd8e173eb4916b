//! What the demonstration has shown.

use serde::Serialize;
use trial::{History, Outcome, Verdict};

use super::board::Board;
use crate::output::{Output, Result};

/// The end of it.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    /// Nothing acknowledged was lost, nothing was read that never was, and everything healed.
    pub(super) passed: bool,
    /// How long the load ran.
    seconds: f64,
    /// Each fault.
    faults: Vec<Broken>,
    /// The longest time without an acknowledged write, at any gateway.
    longest_pause_ms: u128,
    /// Writes acknowledged.
    acknowledged: usize,
    /// Of these, missing somewhere.
    lost: usize,
    /// Writes refused with an error.
    refused: usize,
    /// Writes whose end no client can know.
    unknown: usize,
    /// Nodes that were hit and came back into service.
    old_primaries_back: usize,
    /// The check in words, with everything that is wrong.
    verdict: String,
}

/// One fault.
#[derive(Clone, Debug, Serialize)]
struct Broken {
    node: String,
    what: &'static str,
    /// The longest time without an acknowledged write that it caused.
    pause_ms: Option<u128>,
    /// Until protected, with the node back in service.
    healed_after_ms: Option<u128>,
}

impl Summary {
    pub(super) fn of(board: &Board, history: &History, verdict: &Verdict) -> Self {
        let faults = board.faults();
        let nodes: Vec<&str> = history.gateways.iter().map(String::as_str).collect();
        let broken = faults.iter().enumerate().map(|(at, fault)| {
            // Why: the next fault's pause begins a moment before that fault.
            let healed = fault.healed.map(|time| fault.at + time);
            let until = healed.or_else(|| faults.get(at + 1).map(|next| next.at));
            let gap = history.gap_around(fault.at, until, &nodes);
            Broken {
                node: fault.node.clone(),
                what: fault.what,
                pause_ms: gap.map(|gap| gap.length.as_millis()),
                healed_after_ms: fault.healed.map(|time| time.as_millis()),
            }
        });
        let longest = history
            .gaps()
            .iter()
            .map(|gap| gap.length.as_millis())
            .max();
        Self {
            passed: verdict.is_good(),
            seconds: history.length.as_secs_f64(),
            faults: broken.collect(),
            longest_pause_ms: longest.unwrap_or(0),
            acknowledged: history.acknowledged(),
            lost: verdict.lost(),
            refused: history.writes(Outcome::Failed).count(),
            unknown: history.writes(Outcome::Unknown).count(),
            old_primaries_back: faults.iter().filter(|fault| fault.healed.is_some()).count(),
            verdict: verdict.to_string(),
        }
    }

    /// Prints it.
    pub(super) fn print(&self, output: Output) -> Result {
        if output.json {
            return output.json(self);
        }
        output.data("")?;
        for (number, fault) in self.faults.iter().enumerate() {
            let ms =
                |value: Option<u128>| value.map_or_else(|| "?".to_owned(), |ms| format!("{ms} ms"));
            let Broken {
                node,
                what,
                pause_ms,
                healed_after_ms,
            } = fault;
            let (pause, healed) = (ms(*pause_ms), ms(*healed_after_ms));
            output.data(&format!(
                "fault {}  {node}: {what}; writes paused {pause}, healed after {healed}",
                number + 1
            ))?;
        }
        let Self {
            acknowledged,
            lost,
            refused,
            unknown,
            longest_pause_ms,
            ..
        } = self;
        let (hit, back) = (self.faults.len(), self.old_primaries_back);
        output.data(&format!(
            "faults         {hit}, old primaries back in service: {back}"
        ))?;
        output.data(&format!("longest pause  {longest_pause_ms} ms"))?;
        output.data(&format!("writes         {acknowledged} acknowledged, {lost} of them lost; {refused} refused, {unknown} unknown"))?;
        output.data(&format!("check          {}", self.verdict))
    }
}
