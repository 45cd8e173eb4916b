//! Rules about other people's code: licences, banned crates, two versions or two libraries for
//! one thing, where it comes from, and a written reason for each direct dependency.
//! The lists here may only shrink; a new entry needs its reason beside it.

mod licence;
mod same;

use std::collections::BTreeMap;

use anyhow::Result;

use crate::finding::{self, Finding};
use crate::metadata::{self, Member, Metadata, Package};
use crate::process;

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";
/// Where each direct dependency has its sentence of why.
const REASONS: &str = "docs/decisions/0009-dependencies.md";

/// Crates that may not be compiled, and why.
const BANNED: &[(&str, &str)] = &[
    ("openssl", "one TLS stack: rustls"),
    ("openssl-sys", "one TLS stack: rustls"),
    ("native-tls", "one TLS stack: rustls"),
    ("boring-sys", "one TLS stack: rustls"),
    ("aws-lc-rs", "one crypto provider: ring"),
    (
        "aws-lc-sys",
        "one crypto provider: ring, and no large C build",
    ),
    (
        "pingora",
        "twice the processor time of hyper, four times the build",
    ),
    (
        "pingora-core",
        "twice the processor time of hyper, four times the build",
    ),
    (
        "tonic",
        "calls between nodes are JSON; no protobuf toolchain",
    ),
    (
        "prost",
        "calls between nodes are JSON; no protobuf toolchain",
    ),
    (
        "protobuf",
        "calls between nodes are JSON; no protobuf toolchain",
    ),
    ("cmake", "the build needs only cargo and a C compiler"),
    ("bindgen", "the build needs only cargo and a C compiler"),
    (
        "icu_normalizer",
        "pin idna_adapter to 1.0.0: host names here are ASCII",
    ),
    ("serde_yaml", "no longer kept"),
];

/// Crates that only another library may bring, and which.
const ONLY_THROUGH: &[(&str, &str)] = &[("chrono", "openraft"), ("time", "rcgen")];

/// Native libraries that may be linked.
const LINKS: &[&str] = &["ring_core_0_17_14_"];

/// Checks everything and prints the findings.
///
/// # Errors
/// When a rule is broken, or cargo cannot tell.
pub(crate) fn run() -> Result<()> {
    let metadata = metadata::read()?;
    let reasons = std::fs::read_to_string(process::root().join(REASONS)).unwrap_or_default();
    finding::report(check(&metadata, &reasons))?;
    println!(
        "{} packages of others, their licences and reasons in order",
        metadata.packages.len()
    );
    Ok(())
}

fn check(metadata: &Metadata, reasons: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &metadata.packages {
        findings.extend(check_package(package));
    }
    findings.extend(same::check_versions(&metadata.packages));
    findings.extend(same::check_purposes(&metadata.members));
    findings.extend(check_members(&metadata.members, reasons));
    findings
}

fn check_package(package: &Package) -> Vec<Finding> {
    let mut findings = Vec::new();
    let name = format!("{} {}", package.name, package.version);
    let mut refuse = |rule, text: String| findings.push(Finding::of(&name, rule, text));
    if let Some((_, why)) = BANNED.iter().find(|(banned, _)| *banned == package.name) {
        refuse("banned", format!("may not be used: {why}"));
    }
    if let Err(why) = licence::check(package) {
        refuse("licence", why);
    }
    if package.source.as_deref() != Some(REGISTRY) {
        refuse(
            "source",
            "comes from elsewhere than the public registry".to_owned(),
        );
    }
    if let Some(library) = package
        .links
        .as_deref()
        .filter(|library| !LINKS.contains(library))
    {
        refuse(
            "links",
            format!("links the native library `{library}`: add it to LINKS or do without"),
        );
    }
    findings
}

/// Direct dependencies: a sentence of why for each, and none that another should bring.
fn check_members(members: &[Member], reasons: &str) -> Vec<Finding> {
    let own = |name: &String| members.iter().any(|member| member.name == *name);
    let mut users: BTreeMap<&str, &str> = BTreeMap::new();
    for member in members {
        for name in member
            .imports
            .union(&member.test_imports)
            .filter(|name| !own(name))
        {
            users.entry(name).or_insert(&member.name);
        }
    }
    let mut findings = Vec::new();
    for (name, user) in users {
        if !reasons.contains(&format!("| `{name}` |")) {
            let text = format!("`{name}`, used by `{user}`, has no sentence of why");
            findings.push(Finding::of(REASONS, "reason", text));
        }
        if let Some((_, through)) = ONLY_THROUGH.iter().find(|(banned, _)| *banned == name) {
            let text = format!("`{name}` may come only through `{through}`");
            findings.push(Finding::of(user, "banned", text));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str) -> Package {
        Package {
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            licence: Some("MIT OR Apache-2.0".to_owned()),
            source: Some(REGISTRY.to_owned()),
            links: None,
        }
    }

    fn rules(package: &Package) -> Vec<&'static str> {
        check_package(package)
            .iter()
            .map(|finding| finding.rule)
            .collect()
    }

    #[test]
    fn check_package_when_ordinary_then_silent() {
        assert!(rules(&package("bytes")).is_empty());
    }

    #[test]
    fn check_package_when_banned_then_found() {
        for (name, _) in BANNED {
            assert_eq!(rules(&package(name)), ["banned"], "{name}");
        }
    }

    #[test]
    fn check_package_when_licence_source_or_library_is_foreign_then_found() {
        let licence = Package {
            licence: Some("AGPL-3.0-only".to_owned()),
            ..package("a")
        };
        assert_eq!(rules(&licence), ["licence"]);
        let source = Package {
            source: Some("git+https://x.example/".to_owned()),
            ..package("a")
        };
        assert_eq!(rules(&source), ["source"]);
        let links = Package {
            links: Some("z".to_owned()),
            ..package("a")
        };
        assert_eq!(rules(&links), ["links"]);
    }

    #[test]
    fn check_members_when_reason_is_missing_then_found_once() {
        let member = |name: &str| Member {
            name: name.to_owned(),
            imports: ["bytes".to_owned(), "own-b".to_owned()].into(),
            ..Member::default()
        };
        let members = [member("own-a"), member("own-b")];
        assert_eq!(check_members(&members, "").len(), 1);
        assert!(check_members(&members, "| `bytes` | buffers |").is_empty());
    }

    #[test]
    fn check_members_when_crate_should_come_through_another_then_found() {
        let member = Member {
            name: "a".to_owned(),
            imports: ["chrono".to_owned()].into(),
            ..Member::default()
        };
        let findings = check_members(&[member], "| `chrono` | x |");
        assert_eq!(findings[0].rule, "banned");
    }
}
