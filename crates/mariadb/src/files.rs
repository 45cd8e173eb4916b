//! Small file work: directories of ours, the option file, the end of a log. Blocking, and short.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use crate::error::{Error, Result, TEXT_LIMIT};
use crate::options;
use crate::server::Server;

/// Most of a log that is read back for an error message, in bytes.
const LOG_TAIL: u64 = 16 << 10;

/// Makes a directory with this mode if it is missing, and its parents.
pub(crate) fn make_dir(path: &Path, mode: u32) -> Result<()> {
    if let Some(parent) = path.parent() {
        let doing = format!("make directory `{}`", parent.display());
        fs::create_dir_all(parent).map_err(Error::file(doing))?;
    }
    let made = DirBuilder::new().mode(mode).create(path);
    match made {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(Error::file(format!("make directory `{}`", path.display()))(
            error,
        )),
    }
}

/// Writes a whole file that only its owner may read, by rename.
pub(crate) fn write_private(path: &Path, text: &str) -> Result<()> {
    let doing = || format!("write `{}`", path.display());
    let beside = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&beside)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        sync_parent(path)
    };
    write().map_err(Error::file(doing()))
}

/// Makes a rename or creation in the parent directory durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent()
        .map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Length of a file, 0 when it is missing.
pub(crate) fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |m| m.len())
}

/// Last lines that were written to a log after `start` bytes.
pub(crate) fn tail(path: &Path, start: u64) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(path)?;
        let end = file.metadata()?.len();
        file.seek(SeekFrom::Start(
            start.min(end).max(end.saturating_sub(LOG_TAIL)),
        ))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    last_lines(&read().unwrap_or_default())
}

/// The end of a text without the server's notes, 12 lines at most.
pub(crate) fn last_lines(text: &str) -> String {
    let tells = |line: &&str| !line.trim().is_empty() && !line.contains("[Note]");
    let chosen: Vec<&str> = text.lines().filter(tells).collect();
    let lines = chosen[chosen.len().saturating_sub(12)..].join(" | ");
    let lines = lines.trim();
    let mut from = lines.len().saturating_sub(TEXT_LIMIT);
    while !lines.is_char_boundary(from) {
        from += 1;
    }
    lines[from..].to_owned()
}

impl Server {
    /// Makes our directories, the error log and the option file as the settings want them.
    pub(crate) fn write_files(&self) -> Result<()> {
        let settings = self.settings();
        make_dir(&settings.state_dir, 0o711)?;
        for dir in [settings.run_dir(), settings.temporary_dir()] {
            make_dir(&dir, 0o700)?;
            self.give(&dir)?;
        }
        let log = settings.error_log();
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&log)
            .map_err(Error::file(format!("open `{}`", log.display())))?;
        self.give(&log)?;
        write_private(&settings.config_file(), &options::file(settings))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_left_out_and_lines_joined() {
        let text = "a [Note] x\nb [ERROR] disk\nc [Note] y\n";
        assert_eq!(last_lines(text), "b [ERROR] disk");
        assert_eq!(last_lines("one\n\ntwo\n"), "one | two");
        assert_eq!(last_lines(""), "");
    }

    #[test]
    fn long_logs_are_cut_at_a_border() {
        let text = "ä".repeat(5000);
        assert!(last_lines(&text).len() <= TEXT_LIMIT);
    }
}
