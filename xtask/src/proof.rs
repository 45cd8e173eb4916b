//! `cargo xtask chaos`, `cargo xtask bench failover` and `cargo xtask bench gateway`: build the program and `proof`, both for
//! release (what people run, without debug assertions), and hand over to `proof`.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{metadata, packages, process};

const BUILD_LIMIT: Duration = Duration::from_mins(30);
/// The pages that show the figures.
const FAILOVER: &str = "docs/reference/failover-figures.md";
const GATEWAY: &str = "docs/reference/gateway-figures.md";

/// `cargo xtask chaos ARGS`.
///
/// # Errors
/// When packages are missing, the build fails or the program cannot be started.
pub(crate) fn chaos(arguments: &[String]) -> Result<()> {
    hand_over("chaos", arguments)
}

/// `cargo xtask bench failover ARGS` and `cargo xtask bench gateway ARGS`. The results go to
/// `target/bench`, one file for each shape of the cluster; with `--write` also into the page.
///
/// # Errors
/// The same, and when something else is to be measured.
pub(crate) fn bench(arguments: &[String]) -> Result<()> {
    let split = arguments.split_first();
    let split = split.map(|(what, rest)| (what.as_str(), rest));
    let (what, rest, file, document) = match split {
        Some(("failover", rest)) => {
            let file = format!("bench/failover-{}.json", nodes(rest));
            ("failover", rest, file, FAILOVER)
        }
        Some(("gateway", rest)) => {
            packages::ensure(packages::FOR_GATEWAY_FIGURES)?;
            build_alone()?;
            ("gateway", rest, "bench/gateway.json".to_owned(), GATEWAY)
        }
        _ => bail!("`cargo xtask bench` takes `failover` or `gateway`"),
    };
    let target = PathBuf::from(metadata::read()?.target_dir);
    let results = target.join(file).display().to_string();
    let mut all: Vec<String> = rest
        .iter()
        .filter(|argument| *argument != "--write")
        .cloned()
        .collect();
    let mut add = |option: &str, value: String| {
        if !rest.iter().any(|argument| argument == option) {
            all.extend([option.to_owned(), value]);
        }
    };
    add("--results", results);
    if rest.iter().any(|argument| argument == "--write") {
        let page = process::root().join(document);
        add("--document", page.display().to_string());
    }
    hand_over(what, &all)
}

/// The gateway without an agent, whose instructions are counted.
fn build_alone() -> Result<()> {
    let mut build = process::cargo(&["build", "--release", "--locked"]);
    build.args(["--package", "sql-gateway", "--example", "alone"]);
    process::run(&mut build, BUILD_LIMIT)
}

/// The number behind `--nodes`, as it was typed.
fn nodes(arguments: &[String]) -> &str {
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        if argument == "--nodes" {
            return rest.next().map_or("2", String::as_str);
        }
        if let Some(number) = argument.strip_prefix("--nodes=") {
            return number;
        }
    }
    "2"
}

/// Becomes `proof` with this verb and these arguments; returns only when that is impossible.
fn hand_over(verb: &str, arguments: &[String]) -> Result<()> {
    packages::ensure(packages::FOR_TESTS)?;
    let mut build = process::cargo(&["build", "--release", "--locked", "--bins"]);
    build.args(["--package", "mainstay", "--package", "e2e"]);
    process::run(&mut build, BUILD_LIMIT)?;
    let program = Path::new(&metadata::read()?.target_dir).join("release/proof");
    let mut command = Command::new(&program);
    command.arg(verb).args(arguments);
    // Why: replacing this process passes signals, the terminal and the exit code through.
    let error = command.exec();
    Err(error).with_context(|| format!("start `{}`", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_when_named_in_either_way_then_found() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(nodes(&words(&["--times", "2"])), "2");
        assert_eq!(nodes(&words(&["--nodes", "3", "--json"])), "3");
        assert_eq!(nodes(&words(&["--nodes=3"])), "3");
    }
}
