//! `cargo xtask suites`: the tests of other people's clients, first against a server, then through the gateway
//! before it, which sends reads to a replica. What passes directly must pass through, except what `suites/known.rs` names with a reason.
//! The programs and their tests come from Debian, PyMySQL from PyPI; not part of the gate, but for the story of WordPress.

mod clients;
mod known;
mod python;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{metadata, packages, process, stories, wordpress};

const PACKAGES: &[&str] = &[
    "mariadb-server",
    "mariadb-client",
    "php-cli",
    "php-mysql",
    "golang-go",
    "golang-github-go-sql-driver-mysql-dev",
    "nodejs",
    "node-mysql",
    "python3-pytest",
];
const BUILD: Duration = Duration::from_mins(20);
const START: Duration = Duration::from_mins(3);

/// The names of a suite's tests that passed, and how many there were.
#[derive(Debug, Default)]
struct Outcome {
    passed: BTreeSet<String>,
    all: usize,
}

impl Outcome {
    fn of(results: BTreeMap<String, bool>) -> Self {
        let all = results.len();
        let passed = results.into_iter().filter(|(_, is_good)| *is_good);
        Self {
            passed: passed.map(|(name, _)| name).collect(),
            all,
        }
    }
}

/// Where a suite runs, and where it may write.
struct Place {
    port: u16,
    /// A schema of its own.
    schema: String,
    dir: PathBuf,
}

type Run = fn(&Place) -> Result<Outcome>;

const SUITES: &[(&str, Run)] = &[
    ("client-programs", clients::programs),
    ("mariadb-client-test", clients::client_test),
    ("go-sql-driver", clients::go_driver),
    ("php", clients::php),
    ("mysqljs", clients::node),
    ("pymysql", python::pymysql),
];

/// Not a client but an application: a story, on a cluster of its own.
const WORDPRESS: &str = "wordpress";

/// A server with a replica, and a gateway that sends reads there; ended with this.
struct Stand {
    child: Child,
    file: PathBuf,
    direct: u16,
    gateway: u16,
}

impl Stand {
    fn start(dir: &Path) -> Result<Self> {
        let file = dir.join("ports");
        let mut child = Command::new(binary()?)
            .args(["stand_when", "--nocapture"])
            .env("PROBES_STAND", &file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .context("start the stand")?;
        let begun = Instant::now();
        loop {
            let text = fs::read_to_string(&file).unwrap_or_default();
            if let Some((direct, gateway)) = text.trim().split_once(' ')
                && text.ends_with('\n')
            {
                let (direct, gateway) = (direct.parse()?, gateway.parse()?);
                return Ok(Self {
                    child,
                    file,
                    direct,
                    gateway,
                });
            }
            if child.try_wait()?.is_some() || begun.elapsed() > START {
                let _ = child.kill();
                bail!("the server and its gateway did not start");
            }
            thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Stand {
    /// How many reads the replica has answered.
    fn reads(&self) -> Result<u64> {
        // Why: it tells them ten times a second.
        thread::sleep(Duration::from_millis(500));
        let file = self.file.with_extension("reads");
        let text =
            fs::read_to_string(&file).with_context(|| format!("read `{}`", file.display()))?;
        text.parse().context("count the replica's reads")
    }
}

impl Drop for Stand {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.file);
        let _ = self.child.wait();
    }
}

/// Builds the probes, which can stand a gateway before a server.
fn binary() -> Result<PathBuf> {
    let package = ["--package", "sql-gateway", "--test", "probes", "--locked"];
    let mut build = process::cargo(&["test", "--quiet", "--no-run"]);
    build.args(package);
    process::run(&mut build, BUILD)?;
    let mut list = process::cargo(&["test", "--quiet", "--no-run"]);
    list.args(package);
    list.args(["--message-format", "json-render-diagnostics"]);
    let messages = process::output(&mut list)?;
    let found = stories::executables(&messages, &[&"probes".to_owned()]);
    found
        .into_iter()
        .next()
        .context("the probes were not built")
}

/// All suites, or those named.
///
/// # Errors
/// When a test passes directly and not through the gateway, or something cannot be run.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let mut names = SUITES.iter().map(|(name, _)| *name).collect::<Vec<_>>();
    names.push(WORDPRESS);
    if let Some(name) = arguments
        .iter()
        .find(|name| !names.contains(&name.as_str()))
    {
        bail!("no suite `{name}`; there are {}", names.join(", "));
    }
    let is_wished = |name: &str| arguments.is_empty() || arguments.iter().any(|wish| wish == name);
    packages::ensure(PACKAGES)?;
    let wished: Vec<_> = SUITES.iter().filter(|suite| is_wished(suite.0)).collect();
    let mut wrong = Vec::new();
    if !wished.is_empty() {
        let dir = PathBuf::from(metadata::read()?.target_dir).join("suites");
        fs::create_dir_all(&dir).with_context(|| format!("create `{}`", dir.display()))?;
        let stand = Stand::start(&dir)?;
        println!(
            "{:<22}{:>8}{:>8}{:>9}",
            "SUITE", "TESTS", "DIRECT", "GATEWAY"
        );
        for (name, suite) in wished {
            let before = stand.reads()?;
            wrong.extend(one(name, *suite, &stand, &dir)?);
            let reads = stand.reads()? - before;
            println!("    {reads} of its reads were answered by the replica");
            if reads == 0 {
                wrong.push(format!("{name}: the replica answered nothing"));
            }
        }
    }
    if !wrong.is_empty() {
        bail!("directly and through the gateway: {}", wrong.join("; "));
    }
    if is_wished(WORDPRESS) {
        wordpress::unpacked()?;
        stories::run(&[WORDPRESS.to_owned()])?;
    }
    Ok(())
}

/// Runs a suite on both sides; what is wrong with the result.
fn one(name: &str, suite: Run, stand: &Stand, dir: &Path) -> Result<Vec<String>> {
    let place = |side: &str, port: u16| -> Result<Place> {
        let dir = dir.join(format!("{name}-{side}"));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir)?;
        let schema = format!("{}_{side}", name.replace('-', "_"));
        clients::statement(port, &format!("CREATE OR REPLACE DATABASE {schema}"))?;
        Ok(Place { port, schema, dir })
    };
    let direct = suite(&place("direct", stand.direct)?)?;
    let gateway = suite(&place("gateway", stand.gateway)?)?;
    let (own, through) = (direct.passed.len(), gateway.passed.len());
    println!("{name:<22}{:>8}{own:>8}{through:>9}", direct.all);
    let mut wrong = Vec::new();
    for test in direct.passed.difference(&gateway.passed) {
        let known = known::of(name).find(|known| known.0 == test);
        println!("    {test}: {}", known.map_or("NOT KNOWN", |known| known.1));
        if known.is_none() {
            wrong.push(format!("{name} {test} passes only directly"));
        }
    }
    for (test, _) in known::of(name).filter(|known| gateway.passed.contains(known.0)) {
        wrong.push(format!("{name} {test} passes: take it off the list"));
    }
    if own == 0 {
        wrong.push(format!("{name}: nothing passes"));
    }
    Ok(wrong)
}
