//! What a busy machine alone can do to a test of real servers, and what only wrong code can.
//!
//! Hundreds of tests start servers and wait for them. A wait that was too short once is shown, told once more alone, and
//! counted in the end; a loss, a disagreement or any claim that did not hold fails at once, and so does a third wait.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::process;

/// So many tests may be told once more in one run of a step.
pub(crate) const MOST: usize = 2;
/// The words of waits that ended in vain, and of limits on pauses.
const SLOW: &[&str] = &[
    "in vain",
    "gave no answer within",
    "still has processes",
    "target is busy",
    "is in use",
    ": the limit is ",
];
/// Crates whose tests have no servers to wait for: they are never run again.
const PURE: &[&str] = &["cluster", "sim", "wire", "xtask"];

/// Did a story fail because something took too long, and for nothing else?
pub(crate) fn is_slowness(cause: &str) -> bool {
    SLOW.iter().any(|words| cause.contains(words))
}

/// Runs all tests of these crates; those on real servers that failed, when they are few, once more by themselves.
///
/// # Errors
/// When a test fails that may not be run again, or fails again.
pub(crate) fn test(mut command: Command, selected: &[&str], limit: Duration) -> Result<()> {
    let failed = match listen(&mut command, limit)? {
        (true, _) => return Ok(()),
        (false, said) => names(&said, " ... FAILED"),
    };
    if failed.is_empty() || failed.len() > MOST {
        bail!("`cargo test` failed: {} tests", failed.len());
    }
    println!("\nonce more, alone: {}", failed.join(", "));
    let mut again = process::cargo(&["test", "--no-fail-fast", "--test", "*"]);
    again.args(selected);
    for pure in PURE {
        again.args(["--exclude", pure]);
    }
    again.args(["--", "--test-threads", "1", "--exact"]);
    let (is_good, said) = listen(again.args(&failed), limit)?;
    let passed = names(&said, " ... ok");
    let is_missing = |name: &&String| !passed.contains(name);
    if let Some(name) = failed.iter().find(is_missing) {
        bail!("`{name}` failed, and once more or may not be run again");
    }
    if !is_good {
        bail!("`cargo test` failed once more");
    }
    println!("\nFLAKY, to be looked into: {}", failed.join(", "));
    Ok(())
}

/// Runs it with its words shown; whether it was good, and its lines.
fn listen(command: &mut Command, limit: Duration) -> Result<(bool, Vec<String>)> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .context("start cargo")?;
    let stdout = child.stdout.take().context("cargo has an output")?;
    let (send, lines) = mpsc::channel();
    let reader = thread::spawn(move || {
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            let _ = writeln!(std::io::stdout(), "{line}");
            let _ = send.send(line);
        }
    });
    let status = process::wait(&mut child, limit)?;
    let _ = reader.join();
    Ok((status.success(), lines.try_iter().collect()))
}

/// The names of the tests whose line ends so.
fn names(said: &[String], end: &str) -> Vec<String> {
    let of = |line: &String| Some(line.strip_prefix("test ")?.strip_suffix(end)?.to_owned());
    said.iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slowness_when_data_is_wrong_then_it_is_none() {
        assert!(is_slowness("story x: waited 60s in vain until settled"));
        assert!(is_slowness(
            "story x: gap 16000 ms, 0 lost: the limit is 15s"
        ));
        assert!(!is_slowness("story x: gap 20 ms, 1 lost\nLost 7"));
        assert!(!is_slowness(
            "story x: bravo took over after a loss of power"
        ));
        assert!(!is_slowness(""));
    }

    #[test]
    fn names_when_tests_passed_and_failed_then_apart() {
        let said = ["test a::b ... ok", "test c ... FAILED", "failures:"].map(str::to_owned);
        assert_eq!(names(&said, " ... FAILED"), ["c"]);
        assert_eq!(names(&said, " ... ok"), ["a::b"]);
    }
}
