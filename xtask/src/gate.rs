//! The gate: everything that must hold before a change goes in, as a list of steps with times.
//! It writes nothing in the tree; `fix.rs` does. Every step runs even when an earlier one failed,
//! except that nothing runs without the packages.

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::{dependencies, documents, metadata, packages, process, stories, tidy, weather};

struct Step {
    name: &'static str,
    about: &'static str,
    run: fn() -> Result<()>,
}

const STEPS: &[Step] = &[
    Step {
        name: "packages",
        about: "Debian packages that the tests need",
        run: || packages::ensure(packages::FOR_TESTS),
    },
    Step {
        name: "format",
        about: "rustfmt has nothing to change",
        run: format,
    },
    Step {
        name: "tidy",
        about: "house rules about the tree",
        run: tidy::run,
    },
    Step {
        name: "dependencies",
        about: "licences and choice of libraries",
        run: dependencies::run,
    },
    Step {
        name: "lints",
        about: "clippy has nothing to say",
        run: lints,
    },
    Step {
        name: "tests",
        about: "unit and integration tests of every crate",
        run: tests,
    },
    Step {
        name: "stories",
        about: "whole clusters on real servers, broken on purpose",
        run: stories::gate,
    },
    Step {
        name: "documents",
        about: "generated documents are up to date",
        run: documents::check,
    },
];

/// How many tests cargo's harness runs at a time.
const THREADS: &str = "RUST_TEST_THREADS";

pub(crate) const MINUTE: Duration = Duration::from_mins(1);

struct Outcome {
    name: &'static str,
    time: Duration,
    error: Option<String>,
}

/// Runs all steps, or those named by `--only`, and prints the table.
///
/// # Errors
/// When a step fails or the arguments make no sense.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    if arguments == ["--list"] {
        for step in STEPS {
            println!("{:<14}{}", step.name, step.about);
        }
        return Ok(());
    }
    let steps = chosen(arguments)?;
    let started = Instant::now();
    let mut results = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        println!(
            "\n== {} of {}: {} ({})",
            index + 1,
            steps.len(),
            step.name,
            step.about
        );
        let begun = Instant::now();
        let ended = (step.run)();
        let error = ended.err().map(|error| format!("{error:#}"));
        let time = begun.elapsed();
        match &error {
            None => println!("== {} ok, {}", step.name, in_words(time)),
            Some(error) => println!("== {} FAILED, {}: {error}", step.name, in_words(time)),
        }
        let is_hopeless = error.is_some() && step.name == "packages";
        results.push(Outcome {
            name: step.name,
            time,
            error,
        });
        if is_hopeless {
            break;
        }
    }
    conclude(&steps, &results, started.elapsed())
}

fn chosen(arguments: &[String]) -> Result<Vec<&'static Step>> {
    let mut steps = Vec::new();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let name = match (argument.as_str(), argument.strip_prefix("--only=")) {
            ("--only", _) => rest.next().map_or("", String::as_str),
            (_, Some(name)) => name,
            _ => bail!("no option `{argument}`; see `cargo xtask help`"),
        };
        let Some(step) = STEPS.iter().find(|step| step.name == name) else {
            let names = STEPS
                .iter()
                .map(|step| step.name)
                .collect::<Vec<_>>()
                .join(", ");
            bail!("no step `{name}`; there are {names}");
        };
        steps.push(step);
    }
    if steps.is_empty() {
        steps.extend(STEPS);
    }
    Ok(steps)
}

fn conclude(steps: &[&Step], results: &[Outcome], total: Duration) -> Result<()> {
    println!("\n{:<14}{:<10}{:>12}", "STEP", "RESULT", "TIME");
    for step in steps {
        let (word, time) = match results.iter().find(|result| result.name == step.name) {
            None => ("not run", String::new()),
            Some(Outcome {
                error: Some(_),
                time,
                ..
            }) => ("FAILED", in_words(*time)),
            Some(Outcome { time, .. }) => ("ok", in_words(*time)),
        };
        println!("{:<14}{word:<10}{time:>12}", step.name);
    }
    println!("{:<14}{:<10}{:>12}", "total", "", in_words(total));
    let failed: Vec<&str> = results
        .iter()
        .filter(|result| result.error.is_some())
        .map(|result| result.name)
        .collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    println!("\nall {} steps passed", results.len());
    Ok(())
}

/// A time for people.
pub(crate) fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    if seconds >= 60 {
        format!("{} min {} s", seconds / 60, seconds % 60)
    } else {
        format!("{:.1} s", time.as_secs_f64())
    }
}

fn format() -> Result<()> {
    process::run(
        &mut process::cargo(&["fmt", "--all", "--check"]),
        2 * MINUTE,
    )
}

fn lints() -> Result<()> {
    let mut clippy = build(&[
        "clippy",
        "--quiet",
        "--workspace",
        "--all-targets",
        "--locked",
    ])?;
    process::run(clippy.args(["--", "-D", "warnings"]), 20 * MINUTE)
}

fn tests() -> Result<()> {
    // Why: built first and quietly, so that what follows is the tests' own words.
    let selected = ["--workspace", "--locked", "--exclude", "e2e"];
    let mut compile = build(&["test", "--quiet", "--no-run"])?;
    process::run(compile.args(selected), 20 * MINUTE)?;
    let mut test = build(&["test", "--no-fail-fast"])?;
    if std::env::var_os(THREADS).is_none() {
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        test.env(THREADS, test_threads(processors).to_string());
    }
    test.args(selected);
    weather::test(test, &selected, 30 * MINUTE)
}

/// Why more than processors: most tests wait for servers and elections. Two of them at a time take
/// almost twice as long as four on two processors.
fn test_threads(processors: usize) -> usize {
    processors.max(4)
}

/// A cargo command; on a cold tree without incremental data, which only a second build repays.
pub(crate) fn build(arguments: &[&str]) -> Result<Command> {
    let mut command = process::cargo(arguments);
    let metadata = metadata::read()?;
    let incremental = Path::new(&metadata.target_dir).join("debug/incremental");
    if std::env::var_os("CARGO_INCREMENTAL").is_none() && is_cold(&incremental) {
        command.env("CARGO_INCREMENTAL", "0");
    }
    Ok(command)
}

/// Has nothing but this program been built incrementally so far?
fn is_cold(incremental: &Path) -> bool {
    let entries = fs::read_dir(incremental).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name())
        .all(|name| name.to_string_lossy().starts_with("xtask-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn chosen_when_nothing_is_named_then_all_steps_in_order() {
        let steps = chosen(&[]).unwrap();
        assert_eq!(steps.len(), STEPS.len());
        assert_eq!(steps[0].name, "packages");
    }

    #[test]
    fn chosen_when_steps_are_named_then_only_those() {
        let steps = chosen(&arguments(&["--only", "tidy", "--only=lints"])).unwrap();
        assert_eq!(
            steps.iter().map(|step| step.name).collect::<Vec<_>>(),
            ["tidy", "lints"]
        );
    }

    #[test]
    fn chosen_when_name_or_option_is_unknown_then_error() {
        assert!(chosen(&arguments(&["--only", "tide"])).is_err());
        assert!(chosen(&arguments(&["--only"])).is_err());
        assert!(chosen(&arguments(&["--quick"])).is_err());
    }

    #[test]
    fn conclude_when_a_step_failed_then_names_it() {
        let result = |name, error: Option<&str>| Outcome {
            name,
            time: Duration::ZERO,
            error: error.map(str::to_owned),
        };
        let results = [result("tidy", None), result("lints", Some("x"))];
        let steps = chosen(&arguments(&["--only", "tidy", "--only", "lints"])).unwrap();
        let error = conclude(&steps, &results, Duration::ZERO).unwrap_err();
        assert_eq!(error.to_string(), "failed: lints");
        assert!(conclude(&steps, &results[..1], Duration::ZERO).is_ok());
    }

    #[test]
    fn test_threads_when_processors_are_few_then_four() {
        assert_eq!([1, 2, 4, 16].map(test_threads), [4, 4, 4, 16]);
    }

    #[test]
    fn in_words_when_long_then_minutes() {
        assert_eq!(in_words(Duration::from_secs(125)), "2 min 5 s");
        assert_eq!(in_words(Duration::from_millis(1500)), "1.5 s");
    }
}
