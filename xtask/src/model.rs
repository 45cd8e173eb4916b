//! `cargo xtask model`: the model check in a release build, with its figures on the terminal.
//! The gate runs the same test in the development profile; `--deep` adds what takes minutes.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::process;

const LIMIT: Duration = Duration::from_hours(8);

/// How it may be called.
const USAGE: &str = "`cargo xtask model` takes nothing, `--deep [--minutes N]`, or \
    `--only NODES/WRITES/REVISIONS/FAULTS/SWITCHOVERS [protected|half|alone]`";

/// Runs the model check; with `--deep` as far as its limits of time and memory reach, with `--only` one
/// exploration of the size given.
///
/// # Errors
/// When an invariant is broken, a mutation is not caught, or the build fails.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut test = process::cargo(&["test", "--release", "--locked"]);
    test.args(["--package", "cluster", "--test", "model", "--"]);
    // Why one at a time: the deep explorations take gigabytes each.
    test.args(["--nocapture", "--test-threads", "1"]);
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => {}
        ["--deep"] => {
            test.env("MODEL_DEEP", "1");
        }
        ["--deep", "--minutes", minutes] if minutes.parse::<u16>().is_ok() => {
            test.env("MODEL_DEEP", "1").env("MODEL_MINUTES", minutes);
        }
        ["--only", size, ref from @ ..] if is_size(size) && from.len() <= 1 => {
            test.arg("asked").env("MODEL_ONLY", size);
            if let Some(from) = from.first() {
                test.env("MODEL_FROM", from);
            }
        }
        _ => bail!(USAGE),
    }
    process::run(&mut test, LIMIT)
}

/// Five numbers, with a slash between each two.
fn is_size(text: &str) -> bool {
    let numbers: Vec<_> = text.split('/').collect();
    numbers.len() == 5 && numbers.iter().all(|number| number.parse::<u8>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_five_small_numbers() {
        assert!(is_size("2/2/5/2/0"));
        for bad in ["", "2/2/5/2", "2/2/5/2/0/0", "2/2/5/2/x", "2/2/5/2/300"] {
            assert!(!is_size(bad), "{bad}");
        }
    }
}
