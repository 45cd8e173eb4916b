//! What cargo knows about the workspace: its crates, their edges, and what they pull in.
//! Facts only; the rules about them are in `tidy/floors.rs` and `dependencies.rs`.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process;

/// Where builds go, the workspace's own crates, and every package that is compiled.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metadata {
    pub(crate) target_dir: String,
    pub(crate) members: Vec<Member>,
    pub(crate) packages: Vec<Package>,
}

/// A crate of this workspace.
#[derive(Debug, Clone, Default)]
pub(crate) struct Member {
    pub(crate) name: String,
    /// Names of the crates it imports, in the program and its build.
    pub(crate) imports: BTreeSet<String>,
    /// The same for its tests alone.
    pub(crate) test_imports: BTreeSet<String>,
    /// Names of its integration test binaries.
    pub(crate) test_targets: Vec<String>,
}

/// A package that is compiled for the workspace on this platform, tests included.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// The licence expression as its author wrote it.
    pub(crate) licence: Option<String>,
    /// `None` for our own crates.
    pub(crate) source: Option<String>,
    /// The native library it claims to link.
    pub(crate) links: Option<String>,
}

/// Reads the facts from cargo; the lock file must be up to date.
///
/// # Errors
/// When cargo fails, for instance because the lock file would change.
pub(crate) fn read() -> Result<Metadata> {
    let text = process::output(&mut process::cargo(&[
        "metadata",
        "--locked",
        "--format-version",
        "1",
    ]))?;
    let tree = process::output(&mut process::cargo(&[
        "tree",
        "--locked",
        "--workspace",
        "--edges",
        "normal,build,dev",
        "--prefix",
        "none",
        "--no-dedupe",
        "--format",
        "{p}",
    ]))?;
    parse(&text, &compiled(&tree))
}

/// Name and version of every line of `cargo tree --prefix none`.
///
/// Why: `cargo metadata` also lists optional packages that no feature switches on.
fn compiled(tree: &str) -> BTreeSet<(String, String)> {
    tree.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let name = words.next()?;
            let version = words.next()?.strip_prefix('v')?;
            Some((name.to_owned(), version.to_owned()))
        })
        .collect()
}

fn parse(text: &str, compiled: &BTreeSet<(String, String)>) -> Result<Metadata> {
    let root: Value = serde_json::from_str(text).context("read cargo's metadata")?;
    let own: BTreeSet<&str> = array(&root["workspace_members"])
        .filter_map(Value::as_str)
        .collect();
    let mut metadata = Metadata {
        target_dir: string(&root["target_directory"]),
        ..Metadata::default()
    };
    let mut seen = BTreeMap::new();
    for package in array(&root["packages"]) {
        let key = (string(&package["name"]), string(&package["version"]));
        if package["id"].as_str().is_some_and(|id| own.contains(id)) {
            metadata.members.push(member(package));
        } else if compiled.contains(&key) {
            seen.insert(key, package_of(package));
        }
    }
    metadata.members.sort_by(|a, b| a.name.cmp(&b.name));
    metadata.packages = seen.into_values().collect();
    Ok(metadata)
}

fn member(package: &Value) -> Member {
    let mut member = Member {
        name: string(&package["name"]),
        ..Member::default()
    };
    for dependency in array(&package["dependencies"]) {
        let name = string(&dependency["name"]);
        if dependency["kind"].as_str() == Some("dev") {
            member.test_imports.insert(name);
        } else {
            member.imports.insert(name);
        }
    }
    for target in array(&package["targets"]) {
        if array(&target["kind"]).any(|kind| kind == "test") {
            member.test_targets.push(string(&target["name"]));
        }
    }
    member
}

fn package_of(package: &Value) -> Package {
    let optional = |key: &str| package[key].as_str().map(str::to_owned);
    Package {
        name: string(&package["name"]),
        version: string(&package["version"]),
        licence: optional("license"),
        source: optional("source"),
        links: optional("links"),
    }
}

fn array(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn string(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{
      "target_directory": "/t", "workspace_members": ["path+a"],
      "packages": [
        {"id": "path+a", "name": "a", "version": "0.1.0", "targets": [
           {"kind": ["lib"], "name": "a"}, {"kind": ["test"], "name": "it"}],
         "dependencies": [{"name": "b", "kind": null}, {"name": "c", "kind": "dev"}]},
        {"id": "r#b", "name": "b", "version": "1.2.3", "license": "MIT", "source": "registry"},
        {"id": "r#d", "name": "d", "version": "1.0.0", "license": "MIT", "source": "registry"}]}"#;

    #[test]
    fn parse_when_package_is_not_compiled_then_left_out() {
        let tree = "a v0.1.0 (/x)\nb v1.2.3\nproc v1.0.0 (proc-macro)\n";
        let metadata = parse(TEXT, &compiled(tree)).unwrap();
        assert_eq!(metadata.packages.len(), 1);
        assert_eq!(metadata.packages[0].name, "b");
        assert_eq!(metadata.target_dir, "/t");
    }

    #[test]
    fn parse_when_member_then_edges_and_tests_are_told_apart() {
        let metadata = parse(TEXT, &BTreeSet::new()).unwrap();
        let member = &metadata.members[0];
        assert!(member.imports.contains("b") && !member.imports.contains("c"));
        assert!(member.test_imports.contains("c"));
        assert_eq!(member.test_targets, ["it"]);
    }

    #[test]
    fn parse_when_not_json_then_error() {
        assert!(parse("warning: no", &BTreeSet::new()).is_err());
    }
}
