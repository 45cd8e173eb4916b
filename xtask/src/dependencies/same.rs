//! One of each: two versions of a crate need a reason, two libraries for one purpose are refused.
//! An entry of the list that is no longer needed is refused too, so the list only shrinks.

use std::collections::{BTreeMap, BTreeSet};

use crate::finding::Finding;
use crate::metadata::{Member, Package};

/// Crates that are compiled in more than one version, and who is to blame.
const TWICE: &[(&str, &str)] = &[
    ("base64", "mysql_common 0.37 is ahead of the rest"),
    ("cpufeatures", "sha2 0.10 beside rand 0.10 (mysql_async)"),
    (
        "getrandom",
        "ring 0.17 and rand 0.8 use 0.2, mysql_common 0.37 uses 0.3",
    ),
    ("rand", "openraft 0.9 uses 0.8, mysql_async 0.37 uses 0.10"),
    ("rand_core", "follows rand"),
    ("syn", "half of the derive macros have moved to 3"),
    ("thiserror", "openraft 0.9 uses 1"),
    ("thiserror-impl", "follows thiserror"),
];

/// Of each line at most one may be a direct dependency.
const PURPOSES: &[(&str, &[&str])] = &[
    ("TLS", &["rustls", "openssl", "native-tls", "boring"]),
    ("asynchronous runtime", &["tokio", "async-std", "smol"]),
    ("time and dates", &["jiff", "chrono", "time"]),
    (
        "random numbers",
        &["getrandom", "rand", "fastrand", "oorandom"],
    ),
    ("JSON", &["serde_json", "simd-json", "sonic-rs"]),
    ("HTTP", &["hyper", "reqwest", "ureq", "attohttpc", "isahc"]),
    ("command line", &["clap", "argh", "pico-args", "lexopt"]),
    ("error type of programs", &["anyhow", "eyre", "color-eyre"]),
    ("error enums", &["thiserror", "snafu", "quick-error"]),
    ("log", &["tracing", "log", "slog"]),
    ("MySQL client", &["mysql_async", "mysql", "sqlx"]),
    ("SHA-2", &["sha2", "ring", "openssl"]),
    ("system calls", &["rustix", "nix", "libc"]),
    ("embedded store", &["redb", "sled", "rusqlite", "fjall"]),
    ("temporary files", &["tempfile", "tempdir"]),
    ("random tests", &["proptest", "quickcheck"]),
];

/// Crates in two versions without a reason, and reasons without two versions.
pub(crate) fn check_versions(packages: &[Package]) -> Vec<Finding> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        versions
            .entry(&package.name)
            .or_default()
            .insert(&package.version);
    }
    let mut findings = Vec::new();
    for (name, versions) in &versions {
        if versions.len() > 1 && !TWICE.iter().any(|(known, _)| known == name) {
            let list = versions.iter().copied().collect::<Vec<_>>().join(", ");
            let text = format!("compiled in versions {list}: unite them or give a reason");
            findings.push(Finding::of(name, "twice", text));
        }
    }
    for (name, _) in TWICE {
        if versions.get(name).is_none_or(|versions| versions.len() < 2) {
            let text = "is no longer compiled twice: remove its line from dependencies/same.rs";
            findings.push(Finding::of(name, "twice", text));
        }
    }
    findings
}

/// Two direct dependencies for one purpose.
pub(crate) fn check_purposes(members: &[Member]) -> Vec<Finding> {
    let direct: BTreeSet<&str> = members
        .iter()
        .flat_map(|member| member.imports.union(&member.test_imports))
        .map(String::as_str)
        .collect();
    let mut findings = Vec::new();
    for (purpose, names) in PURPOSES {
        let used: Vec<&str> = names
            .iter()
            .copied()
            .filter(|name| direct.contains(name))
            .collect();
        if used.len() > 1 {
            let text = format!("{} for one purpose, {purpose}: choose", used.join(" and "));
            findings.push(Finding::of("Cargo.toml", "second-library", text));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packages(pairs: &[(&str, &str)]) -> Vec<Package> {
        let known = TWICE
            .iter()
            .flat_map(|(name, _)| [(*name, "1.0.0"), (*name, "2.0.0")]);
        known
            .chain(pairs.iter().copied())
            .map(|(name, version)| Package {
                name: name.to_owned(),
                version: version.to_owned(),
                ..Package::default()
            })
            .collect()
    }

    #[test]
    fn check_versions_when_only_known_ones_are_twice_then_silent() {
        assert!(check_versions(&packages(&[("a", "1.0.0"), ("b", "1.0.0")])).is_empty());
    }

    #[test]
    fn check_versions_when_a_new_one_is_twice_then_found() {
        let findings = check_versions(&packages(&[("a", "1.0.0"), ("a", "2.0.0")]));
        assert!(findings[0].text.contains("1.0.0, 2.0.0"));
    }

    #[test]
    fn check_versions_when_a_line_is_not_needed_then_found() {
        assert_eq!(check_versions(&[]).len(), TWICE.len());
    }

    #[test]
    fn check_purposes_when_two_serve_one_purpose_then_found() {
        let member = |name: &str, import: &str| Member {
            name: name.to_owned(),
            imports: [import.to_owned()].into(),
            ..Member::default()
        };
        assert!(check_purposes(&[member("a", "jiff"), member("b", "jiff")]).is_empty());
        let findings = check_purposes(&[member("a", "jiff"), member("b", "chrono")]);
        assert!(findings[0].text.contains("jiff and chrono"));
    }
}
