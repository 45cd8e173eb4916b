//! PHP's way: processes of its own that connect, ask once and leave, for each request anew.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::task::JoinSet;
use trial::Place;

use super::{
    child,
    client::{At, Who},
    sysbench::Ran,
};

/// More processes than this are no web server on one machine.
pub(super) const MOST: u32 = 64;
const SLACK: Duration = Duration::from_mins(1);
/// Prints how long each visit took, in microseconds.
const SCRIPT: &str = r"
mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
[, $host, $port, $socket, $user, $password, $schema, $seconds, $row] = $argv;
$end = hrtime(true) + $seconds * 1e9;
do {
    $begin = hrtime(true);
    $db = mysqli_connect($host, $user, $password, $schema, (int) $port, $socket);
    $row = ($row + 7919) % 10000;
    $db->query('SELECT c FROM sbtest1 WHERE id=' . ($row + 1))->fetch_row();
    $db->close();
    echo intdiv(hrtime(true) - $begin, 1000), PHP_EOL;
} while (hrtime(true) < $end);
";

/// So many processes at the same time, for so long, in this place.
pub(super) async fn visits(
    (from, at): (&Place, &At),
    who: &Who,
    count: u32,
    seconds: u64,
) -> Result<Ran> {
    let (host, port, socket) = match at {
        At::Tcp(address) => (address.ip().to_string(), address.port(), String::new()),
        // PHP takes this name for the socket.
        At::Socket(path) => ("localhost".to_owned(), 0, path.display().to_string()),
    };
    let start = Instant::now();
    let mut visitors = JoinSet::new();
    for number in 0..count {
        let Who {
            user,
            password,
            schema,
        } = who.clone();
        let words = ["-r", SCRIPT, "--", &host].map(str::to_owned);
        let mut args = words.to_vec();
        args.extend([port.to_string(), socket.clone(), user, password, schema]);
        args.extend([seconds.to_string(), (number * 997).to_string()]);
        let limit = Duration::from_secs(seconds) + SLACK;
        let from = from.clone();
        visitors.spawn(async move { child::output(&from, "php", &args, limit).await });
    }
    let mut times = Vec::new();
    while let Some(printed) = visitors.join_next().await {
        times.extend(parse(&printed??).context("PHP printed something else")?);
    }
    times.sort_unstable_by(f64::total_cmp);
    Ok(Ran {
        queries: times.len() as u64,
        events: times.len() as u64,
        errors: 0,
        seconds: start.elapsed().as_secs_f64(),
        times: times.into_iter().map(|time| (time, 1)).collect(),
    })
}

/// Milliseconds of the visits.
fn parse(text: &str) -> Option<Vec<f64>> {
    let time = |line: &str| Some(line.trim().parse::<f64>().ok()? / 1_000.0);
    text.lines().map(time).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn visits_when_parsed_then_microseconds_become_milliseconds_and_words_are_refused() {
        let times = parse("1500\n250\n").unwrap();
        assert!((times[0] - 1.5).abs() < 1e-9 && (times[1] - 0.25).abs() < 1e-9);
        assert_eq!(parse("PHP Fatal error\n"), None);
    }
}
