//! House rules about the tree itself that the compiler and clippy cannot check.
//! Each rule is a file in `tidy/` and a pure function from text to findings; the whole is a step
//! of the gate and a test of its own.

mod calls;
mod documents;
mod floors;
mod manifests;
mod sizes;
mod source;
mod tree;
mod words;

use anyhow::Result;

use crate::finding::{self, Finding};
use crate::metadata;
use crate::process;

/// Checks everything and prints the findings.
///
/// # Errors
/// When a rule is broken or the tree cannot be read.
pub(crate) fn run() -> Result<()> {
    let (findings, files) = check()?;
    finding::report(findings)?;
    println!("{files} files tidy");
    Ok(())
}

/// The findings, and how many files were read.
fn check() -> Result<(Vec<Finding>, usize)> {
    let files = tree::read(&process::root())?;
    let metadata = metadata::read()?;
    let mut findings = floors::check(&metadata.members);
    findings.extend(documents::check(&files, &metadata.members));
    for file in &files {
        findings.extend(sizes::check(file));
        findings.extend(words::check(file));
        findings.extend(source::check(file));
        findings.extend(calls::check(file));
        findings.extend(manifests::check(file));
    }
    Ok((findings, files.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tree_when_checked_then_no_rule_is_broken() {
        let (findings, files) = check().unwrap();
        let breaches: Vec<String> = findings
            .iter()
            .filter(|finding| !finding.is_warning)
            .map(ToString::to_string)
            .collect();
        assert!(breaches.is_empty(), "\n{}", breaches.join("\n"));
        assert!(files > 20, "only {files} files were read");
    }
}
