//! WordPress from Debian, unpacked and not installed: its package would bring a web server with it.
//! The story of it (`crates/e2e/tests/stories/wordpress.rs`) copies the files and runs them with PHP.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{metadata, packages, process};

/// By this variable the story learns where the files are.
pub(crate) const VARIABLE: &str = "MAINSTAY_WORDPRESS";
/// WordPress, a theme, and the libraries that its files link to.
const PACKAGES: &[&str] = &[
    "wordpress",
    "wordpress-theme-twentytwentyone",
    "php-getid3",
    "libjs-underscore",
    "libjs-cropper",
];

/// Where the unpacked files are; fetched when they are not there yet.
///
/// # Errors
/// When Debian cannot be reached, or a package does not unpack.
pub(crate) fn unpacked() -> Result<PathBuf> {
    let dir = PathBuf::from(metadata::read()?.target_dir).join("suites/wordpress");
    let share = dir.join("usr/share");
    if share.exists() {
        return Ok(share);
    }
    let half = dir.with_extension("half");
    let _ = fs::remove_dir_all(&half);
    fs::create_dir_all(&half)?;
    for package in PACKAGES {
        unpack(package, &half)?;
    }
    fs::rename(&half, &dir).context("WordPress's files")?;
    Ok(share)
}

/// Fetches a package and unpacks it into a directory.
pub(crate) fn unpack(package: &str, root: &Path) -> Result<()> {
    let dir = root.with_extension("fetched");
    fs::create_dir_all(&dir)?;
    let fetch = || {
        let mut command = Command::new("apt-get");
        command.args(["-q", "-o", "APT::Sandbox::User=root"]);
        // Why limits: without a network the story is skipped, and soon.
        command.args([
            "-o",
            "Acquire::http::Timeout=20",
            "-o",
            "Acquire::Retries=1",
        ]);
        command.args(["download", package]);
        process::output(command.current_dir(&dir))
    };
    if fetch().is_err() {
        // Why: the lists are old or not there.
        packages::update()?;
        fetch()?;
    }
    let files = fs::read_dir(&dir)?.flatten().map(|entry| entry.path());
    let is_it = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with(&format!("{package}_"))
    };
    let file = files.into_iter().find(is_it).context("the package")?;
    process::output(Command::new("dpkg").arg("-x").args([&file, root]))?;
    fs::remove_dir_all(&dir)?;
    Ok(())
}
