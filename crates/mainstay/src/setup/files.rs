//! Small files that must be whole or absent: written beside, flushed, renamed, and the directory
//! flushed after. Secrets are readable by their owner only, and refused when they are not.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::output::{Failure, Result};

/// No file of ours is longer.
const SIZE_LIMIT: u64 = 1 << 20;

/// Writes a whole file with this mode; durable when it returns.
pub(crate) fn write(path: &Path, text: &str, mode: u32) -> Result {
    let beside = path.with_extension("new");
    let work = || -> io::Result<()> {
        let _ = fs::remove_file(&beside);
        let mut open = OpenOptions::new();
        let mut file = open.write(true).create_new(true).mode(mode).open(&beside)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        flush_parent(path)
    };
    work().map_err(Failure::on_disk(format!("write `{}`", path.display())))
}

/// Writes a value as JSON.
pub(crate) fn write_json<T: Serialize>(path: &Path, value: &T, mode: u32) -> Result {
    let text = serde_json::to_string_pretty(value)
        .map_err(Failure::doing(format!("write `{}`", path.display())))?;
    write(path, &(text + "\n"), mode)
}

/// Reads a JSON file; a secret one must be its owner's alone.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path, is_secret: bool) -> Result<T> {
    let doing = || format!("read `{}`", path.display());
    let work = || -> io::Result<(String, u32)> {
        let file = File::open(path)?;
        let mode = file.metadata()?.permissions().mode() & 0o7777;
        let mut text = String::new();
        file.take(SIZE_LIMIT).read_to_string(&mut text)?;
        Ok((text, mode))
    };
    let (text, mode) = work().map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => damaged(path, "it is no text"),
        io::ErrorKind::NotFound => damaged(path, "it is missing"),
        _ => Failure::on_disk(doing())(error),
    })?;
    if is_secret && mode & 0o077 != 0 {
        return Err(Failure::refused(format!(
            "`{}` holds a secret and others can read it (mode {mode:04o})",
            path.display()
        ))
        .hint(format!("`chmod 600 {}`", path.display())));
    }
    serde_json::from_str(&text).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        damaged(
            path,
            &format!("it is no JSON (line {line}, column {column})"),
        )
    })
}

/// Only this node has such a file: it cannot be made up.
pub(crate) fn damaged(path: &Path, why: &str) -> Failure {
    Failure::new(format!("`{}` is damaged", path.display()))
        .cause(why)
        .hint("put it back from a copy of this server; without one let it join anew as another node, with another `--data-dir`")
}

/// Makes the directory with this mode when it is missing, its parents as the system makes them.
pub(crate) fn make_dir(path: &Path, mode: u32) -> Result {
    let work = || -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        DirBuilder::new().mode(mode).create(path)?;
        fs::set_permissions(path, fs::Permissions::from_mode(mode))?;
        flush_parent(path)
    };
    work().map_err(Failure::on_disk(format!("make `{}`", path.display())))
}

/// Removes a file that may be absent.
pub(crate) fn remove(path: &Path) -> Result {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(Failure::on_disk(format!(
            "remove `{}`",
            path.display()
        ))(error)),
        _ => flush_parent(path).map_err(Failure::on_disk(format!("remove `{}`", path.display()))),
    }
}

/// True when the directory is absent or holds nothing but what a mounted file system has at its root.
pub(crate) fn is_vacant(dir: &Path) -> Result<bool> {
    match fs::read_dir(dir) {
        Ok(entries) => {
            let mut names = entries.flatten().map(|entry| entry.file_name());
            Ok(names.all(|name| name == "lost+found" || name == mariadb::ROOM))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            let told = format!("`{}` is no directory", dir.display());
            Err(Failure::refused(told).hint("name another directory, or move it away"))
        }
        Err(error) => Err(Failure::on_disk(format!("read `{}`", dir.display()))(error)),
    }
}

fn flush_parent(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_when_others_can_read_it_then_refused_and_otherwise_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret.json");
        write_json(&path, &"word", 0o600).unwrap();
        assert_eq!(read_json::<String>(&path, true).unwrap(), "word");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let failure = read_json::<String>(&path, true).unwrap_err();
        assert!(failure.what.contains("0640") && !failure.to_string().contains("word"));
        assert_eq!(read_json::<String>(&path, false).unwrap(), "word");
    }

    #[test]
    fn directory_when_absent_or_empty_then_vacant() {
        let dir = tempfile::tempdir().unwrap();
        assert!(is_vacant(&dir.path().join("none")).unwrap());
        assert!(is_vacant(dir.path()).unwrap());
        write(&dir.path().join("a"), "x", 0o600).unwrap();
        assert!(!is_vacant(dir.path()).unwrap());
    }
}
