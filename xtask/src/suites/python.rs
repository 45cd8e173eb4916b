//! PyMySQL's own tests, with the driver that they came with: of a version whose archive on PyPI has them (1.0.2 and 1.1.2 have none).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::clients::{HOST, PASSWORD, USER, statement};
use super::{Outcome, Place};
use crate::process;

const VERSION: &str = "0.9.3";
/// What the tests call `unittest2` is Python 3's own by now.
const UNITTEST: &str = "from unittest import *\n";

/// The unpacked archive; fetched when it is not there yet.
fn source(dir: &Path) -> Result<PathBuf> {
    let root = dir.join("pymysql-source");
    if root.exists() {
        return Ok(root);
    }
    let half = root.with_extension("half");
    let _ = fs::remove_dir_all(&half);
    fs::create_dir_all(&half)?;
    let mut fetch = Command::new("pip");
    fetch.args(["download", "--quiet", "--no-deps", "--no-binary", ":all:"]);
    fetch.arg(format!("PyMySQL=={VERSION}")).current_dir(&half);
    process::output(&mut fetch)?;
    let mut unpack = Command::new("tar");
    unpack.args(["--strip-components=1", "-xf"]);
    unpack.arg(format!("PyMySQL-{VERSION}.tar.gz"));
    process::output(unpack.current_dir(&half))?;
    fs::rename(&half, &root).context("PyMySQL's source")?;
    Ok(root)
}

pub(super) fn pymysql(place: &Place) -> Result<Outcome> {
    let source = source(place.dir.parent().context("a directory above")?)?;
    let part = source.join("pymysql");
    process::output(Command::new("cp").arg("-r").args([&part, &place.dir]))?;
    fs::write(place.dir.join("unittest2.py"), UNITTEST)?;
    let second = format!("{}_second", place.schema);
    for schema in [&place.schema, &second] {
        let create = format!("CREATE OR REPLACE DATABASE {schema} CHARACTER SET utf8mb4");
        statement(place.port, &create)?;
    }
    // Why `autocommit`: its default is a transaction for everything, and their reads stay on the primary.
    let database = |schema: &str| {
        format!(
            "{{\"host\": \"{HOST}\", \"port\": {}, \"user\": \"{USER}\", \"passwd\": \"{PASSWORD}\", \
             \"db\": \"{schema}\", \"use_unicode\": true, \"local_infile\": true, \"autocommit\": true}}",
            place.port
        )
    };
    let databases = format!("[{}, {}]", database(&place.schema), database(&second));
    fs::write(place.dir.join("pymysql/tests/databases.json"), databases)?;
    let mut tests = Command::new("/usr/bin/python3");
    tests.args(["-m", "pytest", "-v", "-p", "no:cacheprovider"]);
    // Why not through `process::output`: a suite that has failures ends with one.
    let output = tests
        .arg("pymysql/tests")
        .current_dir(&place.dir)
        .output()
        .context("start pytest")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let ended = |line: &str| {
        let (test, rest) = line.split_once(' ')?;
        let name = test.strip_prefix("pymysql/tests/")?.to_owned();
        let mark = rest.split_whitespace().next()?;
        matches!(mark, "PASSED" | "FAILED" | "ERROR").then_some((name, mark == "PASSED"))
    };
    Ok(Outcome::of(text.lines().filter_map(ended).collect()))
}
