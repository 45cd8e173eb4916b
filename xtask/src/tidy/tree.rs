//! The files of the project: what git tracks or would track, or without git everything but what it
//! and cargo keep there.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

/// One file of the tree.
#[derive(Debug, Clone, Default)]
pub(crate) struct File {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// Its size on disk.
    pub(crate) size_bytes: u64,
    /// Its text; empty when it is not UTF-8.
    pub(crate) text: String,
}

impl File {
    /// Is it a Rust source file?
    pub(crate) fn is_rust(&self) -> bool {
        self.has_extension("rs")
    }

    /// Does the name end like this?
    pub(crate) fn has_extension(&self, extension: &str) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|own| own == extension)
    }

    /// Is the whole file a test? By its place: `tests/`, a `tests.rs`, or a crate of tests.
    pub(crate) fn is_test(&self) -> bool {
        self.path.starts_with("crates/e2e/")
            || self.path.contains("/tests/")
            || self.path.ends_with("/tests.rs")
            || self.path.ends_with("_tests.rs")
    }

    /// Numbered lines, from 1, up to the first `#[cfg(test)] mod`; none in a test file.
    pub(crate) fn lines_without_tests(&self) -> impl Iterator<Item = (usize, &str)> {
        let end = if self.is_test() {
            0
        } else {
            tests_begin(&self.text)
        };
        self.lines().take(end)
    }

    /// Numbered lines, from 1.
    pub(crate) fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
    }

    /// For tests: a file of this text.
    #[cfg(test)]
    pub(crate) fn planted(path: &str, text: &str) -> Self {
        Self {
            path: path.to_owned(),
            size_bytes: text.len() as u64,
            text: text.to_owned(),
        }
    }
}

/// How many lines come before the test module, which house style puts last.
fn tests_begin(text: &str) -> usize {
    let lines: Vec<&str> = text.lines().collect();
    lines
        .windows(2)
        .position(|pair| {
            pair[0] == "#[cfg(test)]" && pair[1].starts_with("mod ") && pair[1].ends_with('{')
        })
        .unwrap_or(lines.len())
}

/// Reads the tree.
///
/// # Errors
/// When the directory or git cannot be read.
pub(crate) fn read(root: &Path) -> Result<Vec<File>> {
    // Why: git may be missing, or refuse a checkout that belongs to another user.
    let mut paths = tracked(root).or_else(|_| walked(root))?;
    paths.sort();
    paths.dedup();
    let mut files = Vec::new();
    for path in paths {
        let full = root.join(&path);
        // Why: git also lists what has been deleted but not yet committed.
        let Ok(meta) = fs::symlink_metadata(&full) else {
            continue;
        };
        // Why: what a fuzzer is fed with is no text of ours.
        if !meta.is_file() || path.starts_with("fuzz/corpus/") {
            continue;
        }
        let bytes = fs::read(&full).with_context(|| format!("read `{path}`"))?;
        let text = String::from_utf8(bytes).unwrap_or_default();
        files.push(File {
            path,
            size_bytes: meta.len(),
            text,
        });
    }
    Ok(files)
}

fn tracked(root: &Path) -> Result<Vec<String>> {
    let mut git = Command::new("git");
    git.current_dir(root).args([
        "ls-files",
        "-z",
        "--cached",
        "--others",
        "--exclude-standard",
    ]);
    let listing = process::output(&mut git)?;
    Ok(listing.split_terminator('\0').map(str::to_owned).collect())
}

fn walked(root: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    let mut pending = vec![root.to_owned()];
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(&directory)? {
            let path = entry?.path();
            let Ok(relative) = path.strip_prefix(root) else {
                continue;
            };
            if path.is_dir() && !path.is_symlink() {
                if ![Path::new("target"), Path::new(".git")].contains(&relative) {
                    pending.push(path);
                }
            } else {
                found.push(relative.to_string_lossy().into_owned());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_without_tests_when_module_follows_then_end_before_it() {
        let file = File::planted(
            "crates/a/src/b.rs",
            "one\n#[cfg(test)]\nfn x() {}\n#[cfg(test)]\nmod tests {\n}\n",
        );
        assert_eq!(file.lines_without_tests().count(), 3);
        assert_eq!(
            File::planted("crates/a/tests/it.rs", "one\n")
                .lines_without_tests()
                .count(),
            0
        );
    }

    #[test]
    fn read_when_git_cannot_tell_then_target_and_git_are_left_out() {
        let root = std::env::temp_dir().join(format!("tidy-walk-{}", std::process::id()));
        fs::create_dir_all(root.join("target/debug")).unwrap();
        fs::create_dir_all(root.join("src")).unwrap();
        fs::write(root.join("target/debug/x"), "x").unwrap();
        fs::create_dir_all(root.join(".git")).unwrap();
        fs::write(root.join(".git/config"), "x").unwrap();
        fs::write(root.join("src/a.rs"), "//! A.\n").unwrap();
        let files = read(&root).unwrap();
        fs::remove_dir_all(&root).unwrap();
        let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
        assert_eq!(paths, ["src/a.rs"]);
    }
}
