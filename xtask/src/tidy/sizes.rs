//! Sizes: a source file is a page or three, and nothing in the tree is heavier than a mebibyte.

use super::tree::File;
use crate::finding::Finding;

const WARN_LINES: usize = 400;
const REFUSE_LINES: usize = 800;
const MAX_BYTES: u64 = 1024 * 1024;
const MAP: (&str, usize) = ("ARCHITECTURE.md", 250);

/// Table-like files that may be longer, each with its reason; the list may only shrink.
const MAY_BE_LONG: &[(&str, &str)] = &[];

/// Files that are too long or too heavy.
pub(crate) fn check(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    if file.size_bytes > MAX_BYTES {
        let text = format!(
            "{} bytes: nothing over 1 MiB belongs in the tree",
            file.size_bytes
        );
        findings.push(Finding::of(&file.path, "size", text));
    }
    let lines = if file.is_test() {
        file.lines().count()
    } else {
        file.lines_without_tests().count()
    };
    if file.path == MAP.0 && lines > MAP.1 {
        let text = format!("{lines} lines: the map of the house is at most {}", MAP.1);
        findings.push(Finding::of(&file.path, "size", text));
    }
    if file.is_rust() && !MAY_BE_LONG.iter().any(|(path, _)| *path == file.path) {
        let text = format!("{lines} lines without tests: split it, one main type per file");
        if lines > REFUSE_LINES {
            findings.push(Finding::of(&file.path, "size", text));
        } else if lines > WARN_LINES {
            findings.push(Finding::of(&file.path, "size", text).into_warning());
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_lines(path: &str, lines: usize) -> Vec<Finding> {
        check(&File::planted(path, &"x\n".repeat(lines)))
    }

    #[test]
    fn check_when_file_grows_then_warned_and_at_last_refused() {
        assert!(of_lines("a.rs", WARN_LINES).is_empty());
        assert!(of_lines("a.rs", WARN_LINES + 1)[0].is_warning);
        assert!(!of_lines("a.rs", REFUSE_LINES + 1)[0].is_warning);
    }

    #[test]
    fn check_when_most_lines_are_tests_then_they_do_not_count() {
        let text = format!(
            "//! A.\n#[cfg(test)]\nmod tests {{\n{}}}\n",
            "x\n".repeat(REFUSE_LINES)
        );
        assert!(check(&File::planted("a.rs", &text)).is_empty());
    }

    #[test]
    fn check_when_file_is_heavy_then_refused() {
        let file = File {
            size_bytes: MAX_BYTES + 1,
            ..File::planted("a.bin", "")
        };
        assert!(check(&file)[0].text.contains("1 MiB"));
    }

    #[test]
    fn check_when_map_is_too_long_then_refused() {
        assert!(!of_lines("ARCHITECTURE.md", 251)[0].is_warning);
    }
}
