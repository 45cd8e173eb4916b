//! User instructions, counted by `valgrind --tool=callgrind`: the one figure that no other load on the
//! machine can change.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use rustix::process::Signal;
use trial::Place;

use super::{
    child::Program,
    client::{At, Client, Who},
    sysbench::{self, Much},
    workload::Workload,
};

/// Under valgrind a program starts and works some fifty times slower.
const LIMIT: Duration = Duration::from_secs(90);
/// The difference of these two is what is counted: starting and ending are in both.
const FEW: u64 = 1_000;
const MANY: u64 = 5_000;

/// A program that can be run under valgrind, and where it serves then.
pub(super) struct Runnable {
    pub(super) program: PathBuf,
    pub(super) args: Vec<String>,
    pub(super) at: At,
}

/// Instructions of one query of this kind, at one connection.
pub(super) async fn per_query(
    runnable: &Runnable,
    workload: Workload,
    who: &Who,
    dir: &Path,
) -> Result<f64> {
    let few = instructions(runnable, workload, who, dir, FEW).await?;
    let many = instructions(runnable, workload, who, dir, MANY).await?;
    Ok((many as f64 - few as f64) / (MANY - FEW) as f64)
}

async fn instructions(
    runnable: &Runnable,
    workload: Workload,
    who: &Who,
    dir: &Path,
    events: u64,
) -> Result<u64> {
    let report = dir.join("callgrind.out");
    let mut args = vec![
        "--tool=callgrind".to_owned(),
        format!("--callgrind-out-file={}", report.display()),
        runnable.program.display().to_string(),
    ];
    args.extend(runnable.args.iter().cloned());
    let mut program = Program::start(&Place::Host, Path::new("valgrind"), &args, dir)?;
    let serves = |_: &Program| Client::connect(&runnable.at, who).is_ok_and(|c| c.leave().is_ok());
    program
        .wait_until("it serves under valgrind", LIMIT, serves)
        .await?;
    sysbench::run(workload, &runnable.at, who, 1, Much::Events(events)).await?;
    program.end(Signal::TERM).await?;
    let shown = report.display();
    let text = std::fs::read_to_string(&report).with_context(|| format!("read {shown}"))?;
    parse(&text).with_context(|| format!("{shown} has no summary"))
}

/// The sum of all instructions of a report.
pub(super) fn parse(text: &str) -> Option<u64> {
    let of = |key: &str| {
        let lines = text.lines().filter_map(|line| line.strip_prefix(key));
        let numbers = lines.map(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        // Why a sum: a program that ends may dump more than once.
        let all: Option<Vec<u64>> = numbers.collect();
        all.filter(|all| !all.is_empty())
            .map(|all| all.iter().sum())
    };
    of("summary:").or_else(|| of("totals:"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_when_parsed_then_its_summary_is_found() {
        let text = "version: 1\ncmd: ./alone\nevents: Ir\nsummary: 123456\n\nfn=(1) x\n1 5\n\ntotals: 123456\n";
        assert_eq!(parse(text), Some(123_456));
        assert_eq!(parse("totals: 7\n"), Some(7));
        assert_eq!(parse("summary: 3\nsummary: 4\n"), Some(7));
        assert_eq!(parse("summary: x\n"), None);
        assert_eq!(parse(""), None);
    }
}
