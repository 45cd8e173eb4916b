//! The distribution's own unit for MariaDB: from now on only the agent may start the server, so
//! that no boot and no package upgrade starts it in a role that nobody decided.

use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::output::{Failure, Result};

/// Where packages put units.
const PACKAGED: [&str; 2] = ["/lib/systemd/system", "/usr/lib/systemd/system"];
/// Where the administrator's word overrides them.
const LOCAL: &str = "/etc/systemd/system";
const UNIT: &str = "mariadb.service";
/// The data directory that the packaged unit starts.
const PACKAGED_DATA: &str = "/var/lib/mysql";

/// The mask to be put in place, when there is a unit that would start this data directory.
pub(super) fn needed(database_dir: &Path) -> Option<PathBuf> {
    let is_packaged = PACKAGED
        .iter()
        .any(|dir| Path::new(dir).join(UNIT).exists());
    let is_its_data = database_dir == Path::new(PACKAGED_DATA);
    let mask = Path::new(LOCAL).join(UNIT);
    let is_masked = std::fs::read_link(&mask).is_ok_and(|to| to == Path::new("/dev/null"));
    (is_packaged && is_its_data && !is_masked && rustix::process::geteuid().is_root())
        .then_some(mask)
}

/// Puts the mask in place, as `systemctl mask` does.
pub(super) fn put(mask: &Path) -> Result {
    match symlink("/dev/null", mask) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(Failure::refused(
            format!("`{}` is there and not a mask", mask.display()),
        )
        .hint("look at it, remove it, and repeat the command")),
        other => other.map_err(Failure::doing(format!("mask `{UNIT}`"))),
    }
}
