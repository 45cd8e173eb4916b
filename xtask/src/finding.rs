//! One breach of a house rule: where, which rule, and what to do about it.
//! Every check returns findings and prints nothing, so that tests can plant an example and look.

use std::fmt;

/// A breach, or with `is_warning` a remark that does not fail the gate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Finding {
    /// Path from the root of the tree.
    pub(crate) path: String,
    /// Line, counted from 1; 0 when the whole file is meant.
    pub(crate) line: usize,
    /// The rule's short name.
    pub(crate) rule: &'static str,
    /// What is wrong and what to do.
    pub(crate) text: String,
    /// True for a remark.
    pub(crate) is_warning: bool,
}

impl Finding {
    /// A breach at a line.
    pub(crate) fn at(path: &str, line: usize, rule: &'static str, text: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            line,
            rule,
            text: text.into(),
            is_warning: false,
        }
    }

    /// A breach of a whole file, crate or list.
    pub(crate) fn of(path: &str, rule: &'static str, text: impl Into<String>) -> Self {
        Self::at(path, 0, rule, text)
    }

    /// The same as a remark.
    pub(crate) fn into_warning(self) -> Self {
        Self {
            is_warning: true,
            ..self
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.is_warning { "note" } else { "error" };
        write!(out, "{kind}: {}", self.path)?;
        if self.line > 0 {
            write!(out, ":{}", self.line)?;
        }
        write!(out, ": {} [{}]", self.text, self.rule)
    }
}

/// Prints the findings and fails when one of them is a breach.
///
/// # Errors
/// When at least one finding is not a warning.
pub(crate) fn report(mut findings: Vec<Finding>) -> anyhow::Result<()> {
    findings.sort();
    for finding in &findings {
        println!("{finding}");
    }
    let breaches = findings
        .iter()
        .filter(|finding| !finding.is_warning)
        .count();
    anyhow::ensure!(breaches == 0, "{breaches} house rules broken");
    Ok(())
}
