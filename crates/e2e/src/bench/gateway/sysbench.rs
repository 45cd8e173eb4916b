//! sysbench: its command line and what it prints.

use std::time::Duration;

use anyhow::{Context, Result};
use trial::Place;

use super::{
    child,
    client::{At, Who},
    workload::Workload,
};

/// Rows of the one table.
const ROWS: u32 = 10_000;
/// How much longer than asked a run may take.
const SLACK: Duration = Duration::from_secs(90);

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(super) enum Much {
    Seconds(u64),
    Events(u64),
}

/// What one run did.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Ran {
    pub(super) queries: u64,
    pub(super) events: u64,
    pub(super) errors: u64,
    pub(super) seconds: f64,
    /// Milliseconds of an event, and how many took so long.
    pub(super) times: Vec<(f64, u64)>,
}

impl Ran {
    /// The time in milliseconds that this share of all events did not exceed.
    pub(super) fn percentile(&self, percent: f64) -> f64 {
        let all: u64 = self.times.iter().map(|(_, count)| count).sum();
        let mut left = all as f64 * percent / 100.0;
        for (time, count) in &self.times {
            left -= *count as f64;
            if left <= 0.0 {
                return *time;
            }
        }
        self.times.last().map_or(0.0, |(time, _)| *time)
    }
}

fn common(at: &At, who: &Who) -> Vec<String> {
    let mut args = match at {
        At::Tcp(address) => vec![
            format!("--mysql-host={}", address.ip()),
            format!("--mysql-port={}", address.port()),
        ],
        At::Socket(path) => vec![format!("--mysql-socket={}", path.display())],
    };
    args.extend([
        format!("--mysql-user={}", who.user),
        format!("--mysql-password={}", who.password),
        format!("--mysql-db={}", who.schema),
        format!("--table-size={ROWS}"),
    ]);
    args
}

/// Makes and fills the table.
pub(super) async fn prepare(from: &Place, at: &At, who: &Who) -> Result<()> {
    let mut args = vec!["oltp_read_write".to_owned(), "prepare".to_owned()];
    args.extend(common(at, who));
    child::output(from, "sysbench", &args, SLACK)
        .await
        .map(drop)
}

/// Runs one of its scripts.
pub(super) async fn run(
    workload: Workload,
    at: &At,
    who: &Who,
    threads: u32,
    much: Much,
) -> Result<Ran> {
    let (script, is_prepared) = workload.script().context("sysbench has no such script")?;
    let mut args = vec![script.to_owned(), "run".to_owned()];
    args.extend(common(at, who));
    args.extend([
        format!("--threads={threads}"),
        "--histogram=on".to_owned(),
        format!(
            "--db-ps-mode={}",
            if is_prepared { "auto" } else { "disable" }
        ),
    ]);
    let limit = match much {
        Much::Seconds(seconds) => {
            args.extend(["--events=0".to_owned(), format!("--time={seconds}")]);
            Duration::from_secs(seconds) + SLACK
        }
        Much::Events(events) => {
            args.extend([format!("--events={events}"), "--time=0".to_owned()]);
            SLACK
        }
    };
    let text = child::output(&Place::Host, "sysbench", &args, limit).await?;
    parse(&text).context("sysbench printed something else")
}

/// Reads its report.
pub(super) fn parse(text: &str) -> Option<Ran> {
    let word = |key: &str| {
        let line = text
            .lines()
            .find_map(|line| line.trim().strip_prefix(key))?;
        line.split_whitespace().next()
    };
    let count = |key: &str| -> Option<u64> { word(key)?.parse().ok() };
    let bar = |line: &str| {
        let (time, rest) = line.split_once('|')?;
        let count = rest.split_whitespace().last()?;
        Some((time.trim().parse().ok()?, count.parse().ok()?))
    };
    Some(Ran {
        queries: count("queries:")?,
        events: count("transactions:")?,
        errors: count("ignored errors:")? + count("reconnects:")?,
        seconds: word("total time:")?.trim_end_matches('s').parse().ok()?,
        times: text.lines().filter_map(bar).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const REPORT: &str = "\
Latency histogram (values are in milliseconds)
       value  ------------- distribution ------------- count
       0.104 |*****                                    90
       0.106 |                                         9
       2.000 |*                                        1

SQL statistics:
    queries performed:
        read:                            100
        write:                           0
        other:                           0
        total:                           100
    transactions:                        100    (49.9 per sec.)
    queries:                             100    (49.9 per sec.)
    ignored errors:                      2      (0.00 per sec.)
    reconnects:                          1      (0.00 per sec.)

General statistics:
    total time:                          2.0031s
    total number of events:              100
";

    #[test]
    fn report_when_parsed_then_counts_and_percentiles_are_those_printed() {
        let ran = parse(REPORT).unwrap();
        assert_eq!((ran.queries, ran.events, ran.errors), (100, 100, 3));
        assert!((ran.seconds - 2.0031).abs() < 1e-9);
        assert_eq!(ran.times.len(), 3);
        let at = |percent| (ran.percentile(percent) * 1_000.0).round() as i64;
        assert_eq!([at(50.0), at(95.0), at(99.9)], [104, 106, 2_000]);
    }

    #[test]
    fn report_when_it_is_something_else_then_refused() {
        assert_eq!(parse("FATAL: unable to connect"), None);
        let Some(cut) = REPORT.find("General") else {
            panic!("no such line");
        };
        assert_eq!(parse(&REPORT[..cut]), None);
    }
}
