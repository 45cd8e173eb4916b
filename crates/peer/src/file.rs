//! Files that hold secrets or must survive a crash: written beside, flushed, renamed;
//! read only when nobody else can read them.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::{Error, Result};

/// No file of ours is longer; a longer one is damaged.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let path = path.to_path_buf();
    move |source| Error::File { what, path, source }
}

/// Makes the directory with mode 0700 when it is missing.
pub(crate) fn make_dir(dir: &Path) -> Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir).map_err(failed("create", dir))?;
    fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(failed("protect", dir))
}

/// Replaces the file durably: after a crash either the old or the new content is there.
pub(crate) fn write(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let beside = path.with_extension(format!("new-{}", hex::encode(crate::name::random::<4>()?)));
    let written = write_beside(&beside, content, mode);
    let done = written.and_then(|()| fs::rename(&beside, path).map_err(failed("replace", path)));
    if done.is_err() {
        let _ = fs::remove_file(&beside);
    }
    done?;
    let Some(dir) = path.parent() else {
        return Ok(());
    };
    let flush = File::open(dir).and_then(|dir| dir.sync_all());
    flush.map_err(failed("flush", dir))
}

fn write_beside(path: &Path, content: &[u8], mode: u32) -> Result<()> {
    let mut open = OpenOptions::new();
    let mut file = open
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(failed("create", path))?;
    file.write_all(content)
        .and_then(|()| file.sync_all())
        .map_err(failed("write", path))
}

/// Reads a text file of bounded size.
pub(crate) fn read(path: &Path) -> Result<String> {
    let file = File::open(path).map_err(failed("read", path))?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1)
        .read_to_string(&mut text)
        .map_err(failed("read", path))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(corrupt(path, "it is longer than any file of its kind"));
    }
    Ok(text)
}

/// Reads a file that only its owner may read.
pub(crate) fn read_secret(path: &Path) -> Result<String> {
    let meta = fs::metadata(path).map_err(failed("read", path))?;
    let mode = meta.permissions().mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(Error::Permissions {
            path: path.to_path_buf(),
            mode,
        });
    }
    read(path)
}

/// The error for a file that does not hold what it should.
pub(crate) fn corrupt(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::Corrupt {
        path: path.to_path_buf(),
        reason: reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_file_when_readable_by_others_then_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        write(&path, b"secret", 0o600).unwrap();
        assert_eq!(read_secret(&path).unwrap(), "secret");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            read_secret(&path),
            Err(Error::Permissions { mode: 0o640, .. })
        ));
    }
}
