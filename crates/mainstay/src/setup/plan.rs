//! What a setup would touch, in the order in which it would: printed by `--plan`, and said while it
//! is done.

use crate::output::{Output, Result};

/// The steps of a setup, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Plan {
    steps: Vec<String>,
}

impl Plan {
    /// Adds a step.
    pub(crate) fn step(&mut self, text: impl Into<String>) {
        self.steps.push(text.into());
    }

    /// Prints it as data: somebody asked for nothing else.
    pub(crate) fn print(&self, output: Output) -> Result {
        if output.json {
            return output.json(&self.steps);
        }
        let numbered = self.steps.iter().enumerate();
        let lines: Vec<String> = numbered
            .map(|(n, step)| format!("{:>2} {step}", n + 1))
            .collect();
        output.data(&lines.join("\n"))
    }
}
