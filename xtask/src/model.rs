//! `cargo xtask model`: the model check in a release build, with its figures on the terminal.
//! The gate runs the same test in the development profile; `--deep` adds what takes minutes.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::process;

const LIMIT: Duration = Duration::from_hours(2);

/// Runs the model check; with `--deep` as far as its limits of time and memory reach.
///
/// # Errors
/// When an invariant is broken, a mutation is not caught, or the build fails.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let is_deep = match arguments {
        [] => false,
        [only] if only == "--deep" => true,
        _ => bail!("`cargo xtask model` takes nothing or `--deep`"),
    };
    let mut test = process::cargo(&["test", "--release", "--locked"]);
    test.args(["--package", "cluster", "--test", "model", "--"]);
    // Why one at a time: the deep explorations take gigabytes each.
    test.args(["--nocapture", "--test-threads", "1"]);
    if is_deep {
        test.env("MODEL_DEEP", "1");
    }
    process::run(&mut test, LIMIT)
}
