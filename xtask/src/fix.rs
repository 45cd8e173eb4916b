//! `cargo xtask fix`: everything that a program can repair, so that the gate finds nothing to say.

use std::time::Duration;

use anyhow::Result;

use crate::{documents, process};

const LIMIT: Duration = Duration::from_mins(30);

/// Formats, applies clippy's own suggestions, formats again, writes the generated documents.
///
/// # Errors
/// When a tool fails.
pub(crate) fn run() -> Result<()> {
    let clippy = [
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--fix",
        "--allow-dirty",
        "--allow-staged",
    ];
    process::run(&mut process::cargo(&clippy), LIMIT)?;
    process::run(&mut process::cargo(&["fmt", "--all"]), LIMIT)?;
    documents::generate()
}
