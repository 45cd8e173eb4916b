//! How each suite is got and run, and how its results are read.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{Outcome, Place, source};
use crate::{process, wordpress};

pub(super) const USER: &str = "app";
pub(super) const PASSWORD: &str = "pw";
pub(super) const HOST: &str = "127.0.0.1";
const SUITE: Duration = Duration::from_mins(20);
/// Debian's package of the C client's tests.
const CLIENT_TEST: &str = "mariadb-test";
const GO_SOURCE: &str = "/usr/share/gocode/src/github.com/go-sql-driver/mysql";
/// Speaks to an address on the internet, and not to a server.
const GO_LEFT_OUT: &str = "TestConnectorReturnsTimeout";

fn client(program: &str, port: u16) -> Command {
    let mut command = Command::new(program);
    command.args(["--no-defaults", "-h", HOST, "-u", USER]);
    command.args([format!("-P{port}"), format!("-p{PASSWORD}")]);
    command
}

/// Runs a statement; what it printed.
pub(super) fn statement(port: u16, sql: &str) -> Result<String> {
    let mut client = client("mariadb", port);
    process::output(client.args(["--default-character-set=utf8mb4", "-N", "-e", sql]))
}

fn is_good(output: &Output) -> bool {
    output.status.success()
}

/// The programs of MariaDB: a dump and its restoring, and each of the others once.
pub(super) fn programs(place: &Place) -> Result<Outcome> {
    let (port, schema) = (place.port, place.schema.as_str());
    let restored = format!("{schema}_restored");
    let mut results = BTreeMap::new();
    let fill = format!(
        "CREATE OR REPLACE DATABASE {restored}; USE {schema}; \
         CREATE TABLE t (id INT PRIMARY KEY AUTO_INCREMENT, v VARCHAR(40) CHARACTER SET utf8mb4, b BLOB); \
         INSERT INTO t (v, b) SELECT CONCAT('é😀', seq), UNHEX(SHA1(seq)) FROM seq_1_to_20000; \
         CREATE SEQUENCE s START WITH 5; CREATE VIEW w AS SELECT COUNT(*) AS n FROM t; \
         CREATE TABLE log (a INT); CREATE TRIGGER tr AFTER DELETE ON t FOR EACH ROW INSERT INTO log VALUES (OLD.id); \
         CREATE PROCEDURE p() SELECT 1"
    );
    let mut note = |name: &str, is_good: bool| {
        results.insert(name.to_owned(), is_good);
    };
    note("mariadb fills", statement(port, &fill).is_ok());
    let dump = place.dir.join("dump.sql");
    let dumped = client("mariadb-dump", port)
        .args([
            "--single-transaction",
            "--routines",
            "--triggers",
            "--events",
        ])
        .args([format!("--result-file={}", dump.display()).as_str(), schema])
        .output()?;
    note("mariadb-dump", is_good(&dumped));
    let restore = client("mariadb", port)
        .arg(&restored)
        .stdin(fs::File::open(&dump).context("the dump")?)
        .output()?;
    note("mariadb restores", is_good(&restore));
    let sums = statement(port, &format!("CHECKSUM TABLE {schema}.t, {restored}.t"))?;
    let sums: Vec<&str> = sums
        .lines()
        .filter_map(|line| line.split('\t').nth(1))
        .collect();
    note("the same after all", sums.len() == 2 && sums[0] == sums[1]);
    others(place, &mut results)?;
    Ok(Outcome::of(results))
}

/// The programs that are run once.
fn others(place: &Place, results: &mut BTreeMap<String, bool>) -> Result<()> {
    let (port, schema) = (place.port, place.schema.as_str());
    let file = place.dir.join("log.txt");
    fs::write(&file, "1\n2\n3\n")?;
    let rest: [(&str, Vec<&OsStr>); 8] = [
        (
            "mariadb-import",
            vec!["--local".as_ref(), schema.as_ref(), file.as_os_str()],
        ),
        ("mariadb-check", vec![schema.as_ref()]),
        (
            "mariadb-check --analyze",
            vec!["--analyze".as_ref(), schema.as_ref()],
        ),
        ("mariadb-show", vec![schema.as_ref(), "t".as_ref()]),
        ("mariadb-admin ping", vec!["ping".as_ref()]),
        ("mariadb-admin status", vec!["status".as_ref()]),
        ("mariadb-admin processlist", vec!["processlist".as_ref()]),
        (
            "mariadb-slap",
            vec![
                "--auto-generate-sql".as_ref(),
                "--concurrency=8".as_ref(),
                "--number-of-queries=400".as_ref(),
                "--auto-generate-sql-load-type=mixed".as_ref(),
            ],
        ),
    ];
    for (name, arguments) in rest {
        let program = name.split(' ').next().unwrap_or(name);
        let mut command = client(program, port);
        if program == "mariadb-slap" {
            command.arg(format!("--create-schema={schema}_slap"));
        }
        let is_good = is_good(&command.args(arguments).output()?);
        results.insert(name.to_owned(), is_good);
    }
    let imported = statement(port, &format!("SELECT COUNT(*) FROM {schema}.log"))?;
    let is_right = imported.trim() == "3";
    results.insert("what was imported".to_owned(), is_right);
    Ok(())
}

/// A Debian package that is not installed, unpacked once.
fn unpacked(package: &str, dir: &Path) -> Result<PathBuf> {
    let root = dir.join(package);
    if !root.exists() {
        let half = root.with_extension("half");
        wordpress::unpack(package, &half)?;
        fs::rename(&half, &root)?;
    }
    Ok(root)
}

/// `mariadb-client-test`, the C client's tests, each of them alone.
pub(super) fn client_test(place: &Place) -> Result<Outcome> {
    let dir = place.dir.parent().context("a directory above")?;
    let program = unpacked(CLIENT_TEST, dir)?.join("usr/bin/mariadb-client-test");
    let list = Command::new(&program)
        .args(["--no-defaults", "--show-tests"])
        .output()?;
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let names = list.lines().map(str::trim);
    let mut results = BTreeMap::new();
    for name in names.filter(|name| !name.is_empty() && !name.contains([' ', ';'])) {
        let mut command = Command::new("timeout");
        command.arg("60").arg(&program);
        command.args(["--no-defaults", "-h", HOST, "-u", USER, "-s"]);
        command.args([format!("-P{}", place.port), format!("-p{PASSWORD}")]);
        command.arg("-v").arg(&place.dir).arg(name);
        results.insert(name.to_owned(), is_good(&command.output()?));
    }
    Ok(Outcome::of(results))
}

/// The tests of Go's driver, as Debian ships them.
pub(super) fn go_driver(place: &Place) -> Result<Outcome> {
    process::output(
        Command::new("cp")
            .args(["-rL", GO_SOURCE])
            .arg(place.dir.join("mysql")),
    )?;
    let mut go = Command::new("go");
    go.current_dir(place.dir.join("mysql"));
    let list = process::output(go.args(["test", "-list", "."]))?;
    let names: Vec<&str> = list
        .lines()
        .filter(|name| name.starts_with("Test") && *name != GO_LEFT_OUT)
        .collect();
    let mut test = Command::new("go");
    test.current_dir(place.dir.join("mysql"))
        .args(["test", "-v", "-run", &format!("^({})$", names.join("|"))])
        .envs([("MYSQL_TEST_USER", USER), ("MYSQL_TEST_PASS", PASSWORD)])
        .env("MYSQL_TEST_ADDR", format!("{HOST}:{}", place.port))
        .env("MYSQL_TEST_DBNAME", &place.schema);
    // Why not through `process::output`: a suite that has failures ends with one.
    let output = test.output().context("start go")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let ended = |line: &str| {
        let (mark, rest) = line.trim().strip_prefix("--- ")?.split_once(": ")?;
        let name = rest.split(" (").next()?.to_owned();
        (mark != "SKIP").then_some((name, mark == "PASS"))
    };
    Ok(Outcome::of(text.lines().filter_map(ended).collect()))
}

/// PHP's own tests of mysqli and PDO.
pub(super) fn php(place: &Place) -> Result<Outcome> {
    let source = source::of("php8.2", place.dir.parent().context("a directory above")?)?;
    fs::create_dir_all(place.dir.join("ext"))?;
    for part in ["run-tests.php", "ext/mysqli", "ext/pdo_mysql", "ext/pdo"] {
        let to = place.dir.join(part);
        process::output(Command::new("cp").arg("-r").args([&source.join(part), &to]))?;
    }
    let (port, schema) = (place.port.to_string(), place.schema.as_str());
    let dsn = format!("mysql:host={HOST};port={port};dbname={schema}");
    let mut tests = Command::new("php");
    tests.current_dir(&place.dir);
    for (mysqli, pdo, value) in [
        ("HOST", "HOST", HOST),
        ("PORT", "PORT", &port),
        ("USER", "USER", USER),
        ("PASSWD", "PASS", PASSWORD),
        ("DB", "DB", schema),
    ] {
        tests.env(format!("MYSQL_TEST_{mysqli}"), value);
        tests.env(format!("PDO_MYSQL_TEST_{pdo}"), value);
    }
    tests
        .env("PDO_MYSQL_TEST_DSN", dsn)
        .env("NO_INTERACTION", "1");
    tests.args([
        "run-tests.php",
        "-P",
        "-q",
        "--no-color",
        "--set-timeout",
        "30",
    ]);
    tests.args(["-W", "results", "ext/mysqli/tests", "ext/pdo_mysql/tests"]);
    tests.stdout(fs::File::create(place.dir.join("log"))?);
    // Why: it ends with a failure when a test does.
    process::finish(&mut tests, SUITE)?;
    let text = fs::read_to_string(place.dir.join("results"))?;
    let ended = |line: &str| {
        let (mark, test) = line.split_once('\t')?;
        let name = Path::new(test).file_name()?.to_string_lossy().into_owned();
        // Why both: it is marked so when it passed at the second attempt.
        let is_good = matches!(mark, "PASSED" | "WARNED");
        (is_good || matches!(mark, "FAILED" | "BORKED")).then_some((name, is_good))
    };
    let results: BTreeMap<String, bool> = text.lines().filter_map(ended).collect();
    if results.is_empty() {
        bail!("PHP's tests did not run");
    }
    Ok(Outcome::of(results))
}

/// The tests of mysqljs that speak to a server, each of them alone, with the driver that they came with.
pub(super) fn node(place: &Place) -> Result<Outcome> {
    let source = source::of(
        "node-mysql",
        place.dir.parent().context("a directory above")?,
    )?;
    let tests = source.join("test/integration");
    let mut results = BTreeMap::new();
    for group in fs::read_dir(&tests)?.flatten() {
        for test in fs::read_dir(group.path())?.flatten() {
            let name = test.file_name().to_string_lossy().into_owned();
            if !name.starts_with("test-") {
                continue;
            }
            let mut command = Command::new("timeout");
            command.arg("60").arg("node").arg(test.path());
            command
                .env("NODE_PATH", "/usr/share/nodejs")
                .env("MYSQL_HOST", HOST)
                .env("MYSQL_PORT", place.port.to_string())
                .env("MYSQL_USER", USER)
                .env("MYSQL_PASSWORD", PASSWORD)
                .env("MYSQL_DATABASE", &place.schema);
            results.insert(name, is_good(&command.output()?));
        }
    }
    Ok(Outcome::of(results))
}
