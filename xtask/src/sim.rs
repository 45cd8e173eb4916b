//! `cargo xtask sim`: the simulator in a release build. The gate runs its thousand seeds in the development
//! profile; here one seed tells its story, or many are counted.

use std::time::Duration;

use anyhow::Result;

use crate::process;

const LIMIT: Duration = Duration::from_hours(12);

/// Passes `--seed N` and `--seeds K` on.
///
/// # Errors
/// When a seed breaks a rule, or the build fails.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut sim = process::cargo(&["run", "--release", "--locked", "--package", "sim", "--"]);
    sim.args(arguments);
    process::run(&mut sim, LIMIT)
}
