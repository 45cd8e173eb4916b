//! System calls, counted by `strace -c` on a running process.

use std::{collections::BTreeMap, path::Path, time::Duration};

use anyhow::{Context, Result};
use rustix::process::Signal;
use trial::Place;

use super::{child::Program, usage::Part};

const LIMIT: Duration = Duration::from_secs(30);

/// A count that goes on.
pub(super) struct Strace {
    program: Program,
    report: std::path::PathBuf,
}

impl Strace {
    /// Begins to count; all threads are watched when this returns.
    pub(super) async fn attach(part: &Part, dir: &Path) -> Result<Self> {
        let report = dir.join("strace.txt");
        let mut args = vec![
            "-c".to_owned(),
            "-o".to_owned(),
            report.display().to_string(),
        ];
        if part.threads.is_empty() {
            args.extend(["-f".to_owned(), "-p".to_owned(), part.pid.to_string()]);
        }
        for thread in &part.threads {
            args.extend(["-p".to_owned(), thread.to_string()]);
        }
        let mut program = Program::start(&Place::Host, Path::new("strace"), &args, dir)?;
        let wanted = part.threads.len().max(1);
        let is_attached =
            |program: &Program| program.printed().matches(" attached").count() >= wanted;
        program
            .wait_until("strace attaches", LIMIT, is_attached)
            .await?;
        Ok(Self { program, report })
    }

    /// Ends it: how often each call was made.
    pub(super) async fn count(self) -> Result<BTreeMap<String, u64>> {
        self.program.end(Signal::INT).await?;
        let path = &self.report;
        let text =
            std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        Ok(parse(&text))
    }
}

/// Reads its table; the line of totals is left out.
pub(super) fn parse(text: &str) -> BTreeMap<String, u64> {
    let row = |line: &str| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let (name, numbers) = words.split_last()?;
        // % time, seconds, usecs/call, calls, and errors where there were some.
        let is_row = numbers.len() >= 4 && numbers.iter().all(|word| word.parse::<f64>().is_ok());
        let calls = numbers.get(3)?.parse().ok()?;
        (is_row && *name != "total").then(|| ((*name).to_owned(), calls))
    };
    text.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_when_parsed_then_calls_are_taken_and_errors_and_total_are_not() {
        let text = "\
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 60.00    0.012000           3      4000           sendto
 40.00    0.008000           1      8000      2000 recvfrom
------ ----------- ----------- --------- --------- ----------------
100.00    0.020000           1     12000      2000 total
";
        let calls = parse(text);
        assert_eq!(calls.get("sendto"), Some(&4_000));
        assert_eq!(calls.get("recvfrom"), Some(&8_000));
        assert_eq!(calls.len(), 2);
        assert!(parse("strace: Process 7 detached").is_empty());
    }
}
