//! `cargo xtask demo`: builds the program and hands over to `mainstay demo`.
//! The development build is used: its libraries are optimised, it is ready in half the time of a
//! release build, and what takes long in a failover is not our code.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::{metadata, packages, process};

const BUILD_LIMIT: Duration = Duration::from_mins(30);

/// Becomes `mainstay demo` with these arguments; returns only when that is impossible.
///
/// # Errors
/// When packages are missing, the build fails or the program cannot be started.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    packages::ensure(packages::FOR_DEMO)?;
    process::run(
        &mut process::cargo(&["build", "--package", "mainstay", "--locked"]),
        BUILD_LIMIT,
    )?;
    let program = Path::new(&metadata::read()?.target_dir).join("debug/mainstay");
    let mut command = Command::new(&program);
    command.arg("demo").args(arguments);
    // Why: replacing this process passes signals, the terminal and the exit code through.
    let error = command.exec();
    Err(error).with_context(|| format!("start `{}`", program.display()))
}
