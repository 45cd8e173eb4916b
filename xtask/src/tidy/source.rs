//! What every Rust file owes its reader: a head comment, no leftovers, no switched-off tests, and
//! a reason wherever a lint is set aside.

use super::tree::File;
use crate::finding::Finding;

/// Leftovers, written in two halves so that this file does not contain them.
const LEFTOVERS: &[(&str, &str)] = &[
    (concat!("TO", "DO"), "finish it, or open an issue"),
    (concat!("FIX", "ME"), "fix it, or open an issue"),
    (concat!("XX", "X"), "say what is meant, or remove it"),
    (concat!("dbg", "!("), "remove it"),
    (concat!("to", "do!("), "write it"),
    (concat!("unimple", "mented!("), "write it"),
];
const SWITCHED_OFF: &str = concat!("#[ig", "nore");
const SET_ASIDE: &[&str] = &[concat!("#[al", "low("), concat!("#![al", "low(")];
const EXPECTED: &[&str] = &[concat!("#[ex", "pect("), concat!("#![ex", "pect(")];

/// Missing heads, leftovers, switched-off tests, lints set aside without a reason.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    if !file.is_rust() {
        return Vec::new();
    }
    let mut findings = Vec::new();
    if !file.text.starts_with("//! ") {
        let text = "begins without a `//!` head comment: what it is, what it is not";
        findings.push(Finding::at(&file.path, 1, "head", text));
    }
    for (number, line) in file.lines() {
        for (leftover, advice) in LEFTOVERS {
            if has_word(line, leftover) {
                let text = format!("`{leftover}` left over: {advice}");
                findings.push(Finding::at(&file.path, number, "leftover", text));
            }
        }
        let code = line.trim_start();
        if code.starts_with(SWITCHED_OFF) {
            let text = "a test that is switched off proves nothing: repair or remove it";
            findings.push(Finding::at(&file.path, number, "ignored-test", text));
        }
        // Why: in tests shared by several binaries an expectation is not met in each of them.
        let may_allow = file.is_test() && has_reason(file, number);
        if SET_ASIDE.iter().any(|start| code.starts_with(start)) && !may_allow {
            let text = "use `expect` with a reason: it complains when it is no longer needed";
            findings.push(Finding::at(&file.path, number, "lint", text));
        }
        if EXPECTED.iter().any(|start| code.starts_with(start)) && !has_reason(file, number) {
            let text = "`expect` needs a `reason`";
            findings.push(Finding::at(&file.path, number, "lint", text));
        }
    }
    findings
}

/// Is the reason given before the attribute ends?
fn has_reason(file: &File, from: usize) -> bool {
    for (_, line) in file.lines().skip(from - 1) {
        if line.contains("reason = ") {
            return true;
        }
        if line.trim_end().ends_with(']') {
            return false;
        }
    }
    false
}

/// Does the line hold the word, not as part of a longer one?
fn has_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + word.len()..].chars().next();
        let is_part = |char: Option<char>| char.is_some_and(|c| c.is_alphanumeric() || c == '_');
        !is_part(before) && (word.ends_with('(') || !is_part(after))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(text: &str) -> Vec<&'static str> {
        check(&File::planted("a.rs", text))
            .iter()
            .map(|finding| finding.rule)
            .collect()
    }

    #[test]
    fn check_when_file_is_proper_then_silent() {
        assert!(
            rules("//! What it is.\n\n#[expect(dead_code, reason = \"x\")]\nfn a() {}\n")
                .is_empty()
        );
        assert!(
            rules("//! A.\n#[expect(\n    dead_code,\n    reason = \"x\"\n)]\nfn a() {}\n")
                .is_empty()
        );
    }

    #[test]
    fn check_when_head_is_missing_then_found() {
        assert_eq!(rules("use std::fs;\n"), ["head"]);
        assert_eq!(rules(""), ["head"]);
    }

    #[test]
    fn check_when_something_is_left_over_then_found() {
        for (leftover, _) in LEFTOVERS {
            assert_eq!(
                rules(&format!("//! A.\n// {leftover} x\n")),
                ["leftover"],
                "{leftover}"
            );
        }
        assert!(rules("//! A.\nlet _ = \"XXXX\";\n").is_empty());
    }

    #[test]
    fn check_when_test_is_switched_off_then_found() {
        assert_eq!(
            rules(&format!("//! A.\n    {SWITCHED_OFF}]\n")),
            ["ignored-test"]
        );
        assert_eq!(
            rules(&format!("//! A.\n{SWITCHED_OFF} = \"slow\"]\n")),
            ["ignored-test"]
        );
    }

    #[test]
    fn check_when_lint_is_set_aside_then_expect_and_reason_are_asked_for() {
        assert_eq!(
            rules(&format!("//! A.\n{}dead_code)]\n", SET_ASIDE[0])),
            ["lint"]
        );
        assert_eq!(
            rules(&format!("//! A.\n{}dead_code)]\n", EXPECTED[0])),
            ["lint"]
        );
    }
}
