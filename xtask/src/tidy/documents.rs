//! Documents: links lead somewhere, the map names every room, decisions are numbered and say
//! their status.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::tree::File;
use crate::finding::Finding;
use crate::metadata::Member;

const DECISIONS: &str = "docs/decisions/";
/// How a path of this tree begins.
const ROOTS: &[&str] = &["crates/", "xtask/", "docs/", "packaging/"];
const PARTS_OF_A_DECISION: &[&str] = &[
    "Status:",
    "## Context",
    "## Decision",
    "## Consequences",
    "## Considered",
];

/// Dead links, rooms without a place on the map, decisions out of shape.
pub(crate) fn check(files: &[File], members: &[Member]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let places = places(files);
    for file in files.iter().filter(|file| file.has_extension("md")) {
        findings.extend(check_links(file, &places));
        findings.extend(check_paths(file, file.lines(), &places));
    }
    for file in files.iter().filter(|file| file.is_rust()) {
        let comments = file
            .lines()
            .filter(|(_, line)| line.trim_start().starts_with("//"));
        findings.extend(check_paths(file, comments, &places));
    }
    findings.extend(check_map(files, members));
    findings.extend(check_decisions(files));
    findings
}

/// Every file and every directory of the tree.
fn places(files: &[File]) -> BTreeSet<PathBuf> {
    let all = files
        .iter()
        .flat_map(|file| Path::new(&file.path).ancestors());
    all.map(Path::to_path_buf).collect()
}

fn check_links(file: &File, places: &BTreeSet<PathBuf>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in file.lines() {
        for target in line
            .split("](")
            .skip(1)
            .filter_map(|rest| rest.split(')').next())
        {
            let path = target.split('#').next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            let directory = Path::new(&file.path).parent().unwrap_or(Path::new(""));
            if !places.contains(&normal(&directory.join(path))) {
                let text = format!("`{target}` leads nowhere");
                findings.push(Finding::at(&file.path, number, "link", text));
            }
        }
    }
    findings
}

/// Paths in backticks, which people follow by hand.
fn check_paths<'a>(
    file: &File,
    lines: impl Iterator<Item = (usize, &'a str)>,
    places: &BTreeSet<PathBuf>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (number, line) in lines {
        for quoted in line.split('`').skip(1).step_by(2) {
            let is_path = ROOTS.iter().any(|root| quoted.starts_with(root));
            let is_pattern = quoted.contains(['*', ' ', '…', '<']) || quoted.contains("NNNN");
            if is_path && !is_pattern && !places.contains(Path::new(quoted.trim_end_matches('/'))) {
                let text = format!("`{quoted}` does not exist");
                findings.push(Finding::at(&file.path, number, "path", text));
            }
        }
    }
    findings
}

/// The path without `.` and `..`.
fn normal(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                result.pop();
            }
            Component::CurDir => {}
            other => result.push(other),
        }
    }
    result
}

fn check_map(files: &[File], members: &[Member]) -> Vec<Finding> {
    let map = files.iter().find(|file| file.path == "ARCHITECTURE.md");
    let text = map.map_or("", |file| file.text.as_str());
    members
        .iter()
        .filter(|member| !text.contains(&format!("`{}`", member.name)))
        .map(|member| {
            let text = format!("the map does not name the room `{}`", member.name);
            Finding::of("ARCHITECTURE.md", "map", text)
        })
        .collect()
}

fn check_decisions(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut numbers = BTreeSet::new();
    let pages = files
        .iter()
        .filter_map(|file| Some((file, file.path.strip_prefix(DECISIONS)?)));
    for (file, name) in pages.filter(|(_, name)| *name != "README.md") {
        let number = name.split('-').next().unwrap_or_default();
        let is_number = number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number || !numbers.insert(number) {
            let text = "name it NNNN-title.md with a number of its own";
            findings.push(Finding::of(&file.path, "decision", text));
        }
        for part in PARTS_OF_A_DECISION
            .iter()
            .filter(|part| !file.text.contains(*part))
        {
            findings.push(Finding::of(
                &file.path,
                "decision",
                format!("`{part}` is missing"),
            ));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(files: &[File], members: &[Member]) -> Vec<&'static str> {
        check(files, members)
            .iter()
            .map(|finding| finding.rule)
            .collect()
    }

    #[test]
    fn check_when_links_lead_somewhere_then_silent() {
        let files = [
            File::planted(
                "docs/a.md",
                "[b](../README.md#top) [c](guide/) [d](https://x.example/)\n",
            ),
            File::planted("docs/guide/e.md", "[up](..)\n"),
            File::planted("README.md", ""),
        ];
        assert!(rules(&files, &[]).is_empty());
    }

    #[test]
    fn check_when_link_is_dead_then_found() {
        assert_eq!(
            rules(&[File::planted("docs/a.md", "see [b](b.md)\n")], &[]),
            ["link"]
        );
    }

    #[test]
    fn check_when_quoted_path_does_not_exist_then_found() {
        let text = "`crates/a/` and `crates/a/b.rs`, not `crates/a/c.rs` or `crates/*/d.rs`\n";
        let files = [
            File::planted("A.md", text),
            File::planted("crates/a/b.rs", ""),
        ];
        let findings = check(&files, &[]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].text.contains("c.rs"));
        let source = "// See `docs/a.md`.\nlet x = \"`docs/b.md`\";\n";
        let findings = check(&[File::planted("crates/a/b.rs", source)], &[]);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].text.contains("docs/a.md"));
    }

    #[test]
    fn check_when_room_is_not_on_the_map_then_found() {
        let member = Member {
            name: "attic".to_owned(),
            ..Member::default()
        };
        let map = File::planted("ARCHITECTURE.md", "| `cellar` | wine |\n");
        assert_eq!(rules(&[map], &[member]), ["map"]);
    }

    #[test]
    fn check_when_decision_is_out_of_shape_then_found() {
        let good = PARTS_OF_A_DECISION.join("\n");
        let files = [
            File::planted("docs/decisions/0001-a.md", &good),
            File::planted("docs/decisions/0001-b.md", &good),
            File::planted(
                "docs/decisions/0002-c.md",
                &good.replace("## Considered", ""),
            ),
        ];
        assert_eq!(rules(&files, &[]), ["decision", "decision"]);
    }
}
