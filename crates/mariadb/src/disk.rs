//! Small file work that must be durable or private: directories of ours, renames that survive power loss.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};

/// Makes a directory that only we can enter; one that is there already is made so.
pub(crate) fn make_private_dir(path: &Path) -> Result<()> {
    let failed = || Error::file(format!("make directory `{}`", path.display()));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(failed())?;
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(path, mode).map_err(failed())
}

/// Removes a directory and all in it; nothing when it is not there.
pub(crate) fn remove_dir(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(Error::file(format!("remove `{}`", path.display()))(e))
        }
        _ => Ok(()),
    }
}

/// Renames within one directory and makes it durable.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    let doing = || format!("rename `{}` to `{}`", from.display(), to.display());
    fs::rename(from, to).map_err(Error::file(doing()))?;
    sync_dir(parent(to)?)
}

/// Makes names created, renamed or removed in a directory durable.
pub(crate) fn sync_dir(path: &Path) -> Result<()> {
    let sync = || File::open(path)?.sync_all();
    sync().map_err(Error::file(format!("sync directory `{}`", path.display())))
}

/// Makes all files of the file system that holds `path` durable.
pub(crate) fn sync_all_below(path: &Path) -> Result<()> {
    let sync = || Ok(rustix::fs::syncfs(File::open(path)?)?);
    sync().map_err(Error::file(format!(
        "sync the file system of `{}`",
        path.display()
    )))
}

/// The directory that holds `path`.
pub(crate) fn parent(path: &Path) -> Result<&Path> {
    path.parent()
        .ok_or_else(|| Error::setting("database_dir", "it has no parent directory"))
}

/// `path` with `suffix` added to its last name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// True when something is mounted on `path`, a file system or (`mount --bind`) a directory: it cannot be renamed.
pub(crate) fn is_mount_point(path: &Path) -> bool {
    let device = |p: &Path| fs::metadata(p).map(|meta| meta.dev());
    match (device(path), path.parent().map(device)) {
        // Why not the devices alone: a directory that is mounted may be of the same file system. (Linux tells it since 5.8.)
        (Ok(own), Some(Ok(above))) => own != above || is_root_of_mount(path),
        _ => false,
    }
}

fn is_root_of_mount(path: &Path) -> bool {
    use rustix::fs::{AtFlags, CWD, StatxAttributes, StatxFlags, statx};
    let told = statx(CWD, path, AtFlags::empty(), StatxFlags::empty());
    told.is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
}

/// Bytes that an ordinary process can still write to the file system that holds `path`.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let stat = rustix::fs::statvfs(path)?;
    Ok(stat.f_bavail.saturating_mul(stat.f_frsize))
}
