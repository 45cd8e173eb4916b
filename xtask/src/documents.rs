//! Documents that the program writes about itself: the hidden `mainstay docs --dir DIR` fills a
//! directory laid out like the tree; here it is written to, or compared with, the tree.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::{metadata, process};

const BUILD_LIMIT: Duration = Duration::from_mins(30);

/// `cargo xtask docs [--check]`.
///
/// # Errors
/// When the program fails, or with `--check` when a document is out of date.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments {
        [] => generate(),
        [only] if only == "--check" => check(),
        _ => bail!("`cargo xtask docs` takes nothing or `--check`"),
    }
}

/// Writes the generated documents into the tree.
///
/// # Errors
/// When the program or the disk fails.
pub(crate) fn generate() -> Result<()> {
    let scratch = written()?;
    for path in files_below(&scratch.0)? {
        let target = process::root().join(&path);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(scratch.0.join(&path), &target)
            .with_context(|| format!("write `{}`", target.display()))?;
        println!("wrote {}", path.display());
    }
    Ok(())
}

/// Fails when the tree does not hold exactly what the program would write.
///
/// # Errors
/// When a document is missing or out of date, or the program fails.
pub(crate) fn check() -> Result<()> {
    let scratch = written()?;
    let (all, stale) = compare(&scratch.0, &process::root())?;
    if !stale.is_empty() {
        bail!("out of date: {}; run `cargo xtask docs`", stale.join(", "));
    }
    println!("{all} generated documents up to date");
    Ok(())
}

/// How many documents there are, and which of them differ in the tree.
fn compare(fresh: &Path, tree: &Path) -> Result<(usize, Vec<String>)> {
    let paths = files_below(fresh)?;
    let differs =
        |path: &&PathBuf| fs::read(fresh.join(path)).ok() != fs::read(tree.join(path)).ok();
    let stale = paths
        .iter()
        .filter(differs)
        .map(|path| path.display().to_string())
        .collect();
    Ok((paths.len(), stale))
}

/// A directory that goes away with its owner.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn written() -> Result<Scratch> {
    process::run(
        &mut process::cargo(&["build", "--quiet", "--package", "mainstay", "--locked"]),
        BUILD_LIMIT,
    )?;
    let target = PathBuf::from(metadata::read()?.target_dir);
    let scratch = Scratch(target.join(format!("documents-{}", std::process::id())));
    fs::create_dir_all(&scratch.0)?;
    let mut docs = Command::new(target.join("debug/mainstay"));
    process::output(docs.args(["docs", "--dir"]).arg(&scratch.0))?;
    Ok(scratch)
}

/// Every file below a directory, relative to it, in order.
fn files_below(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut pending = vec![directory.to_owned()];
    while let Some(next) = pending.pop() {
        for entry in fs::read_dir(&next)? {
            let path = entry?.path();
            if path.is_dir() {
                pending.push(path);
            } else if let Ok(relative) = path.strip_prefix(directory) {
                found.push(relative.to_owned());
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compare_when_document_differs_or_is_missing_then_named() {
        let base = std::env::temp_dir().join(format!("documents-test-{}", std::process::id()));
        let scratch = Scratch(base.clone());
        let (fresh, tree) = (base.join("fresh"), base.join("tree"));
        for (directory, text) in [(&fresh, "new"), (&tree, "old")] {
            fs::create_dir_all(directory.join("docs")).unwrap();
            fs::write(directory.join("docs/a.md"), text).unwrap();
            fs::write(directory.join("docs/same.md"), "same").unwrap();
        }
        fs::write(fresh.join("docs/missing.md"), "x").unwrap();
        let (all, stale) = compare(&fresh, &tree).unwrap();
        assert_eq!(
            (all, stale),
            (
                3,
                vec!["docs/a.md".to_owned(), "docs/missing.md".to_owned()]
            )
        );
        drop(scratch);
        assert!(!base.exists());
    }
}
