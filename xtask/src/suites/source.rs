//! The source of a Debian package, fetched with lists of our own: what the package itself leaves out, its tests.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::process;

const SOURCE: &str = "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian bookworm main\n";

/// Its directory; fetched and unpacked when it is not there yet.
pub(super) fn of(package: &str, dir: &Path) -> Result<PathBuf> {
    let root = dir.join(format!("{package}-source"));
    if root.exists() {
        return Ok(root);
    }
    let fetch = dir.join(format!("{package}-fetch"));
    fs::create_dir_all(fetch.join("lists/partial"))?;
    fs::write(fetch.join("list"), SOURCE)?;
    apt(&fetch, &["update"])?;
    let fetched = apt(&fetch, &["source", "--download-only", package]);
    let files = fs::read_dir(&fetch)?.flatten().map(|entry| entry.path());
    // Beside it lies its signature, `.orig.tar.xz.asc`.
    let is_it = |path: &PathBuf| {
        let name = path.to_string_lossy();
        name.contains(".orig.tar.") && !name.ends_with(".asc")
    };
    // Why not the failure itself: a source has several archives, and only the first is needed.
    let Some(archive) = files.into_iter().find(is_it) else {
        fetched?;
        return Err(anyhow::anyhow!("no source of {package}"));
    };
    let half = root.with_extension("half");
    fs::create_dir_all(&half)?;
    let mut unpack = Command::new("tar");
    unpack.args(["--strip-components=1", "-xf"]).arg(archive);
    process::output(unpack.arg("-C").arg(&half))?;
    fs::rename(&half, &root).with_context(|| format!("the source of {package}"))?;
    Ok(root)
}

fn apt(fetch: &Path, arguments: &[&str]) -> Result<String> {
    let of = |key: &str, name: &str| format!("{key}={}", fetch.join(name).display());
    let mut command = Command::new("apt-get");
    command.current_dir(fetch);
    for option in [
        of("Dir::Etc::sourcelist", "list"),
        of("Dir::State::lists", "lists"),
        "Dir::Etc::sourceparts=-".to_owned(),
        "APT::Sandbox::User=root".to_owned(),
    ] {
        command.args(["-o", &option]);
    }
    process::output(command.args(arguments))
}
