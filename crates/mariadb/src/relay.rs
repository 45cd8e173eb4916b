//! The mark "relay log not examined". After any restart the server has forgotten how far it had received, and
//! the first START SLAVE deletes the files (MDEV-4698, seen on 10.11.19): until a salvage has looked
//! at them, nothing here starts, re-points or promotes.

use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::files;
use crate::server::Server;

impl Server {
    fn relay_mark(&self) -> PathBuf {
        self.settings().state_dir.join("relay-log-unexamined")
    }

    /// Index of the relay log files, in the data directory.
    pub fn relay_log_index(&self) -> PathBuf {
        self.settings().database_dir.join("relay.index")
    }

    /// Sets the mark when there are relay log files. Called before each start.
    pub(crate) fn mark_relay_log(&self) -> Result<()> {
        if files::length(&self.relay_log_index()) == 0 {
            return Ok(());
        }
        files::write_private(
            &self.relay_mark(),
            "A salvage must look at the relay log first.\n",
        )
    }

    /// True when the server was started over relay log files that no salvage has examined.
    pub fn is_relay_log_unexamined(&self) -> bool {
        self.relay_mark().exists()
    }

    /// Clears the mark: everything of use in the relay log files is applied, or the caller
    /// knows that it may be lost. Called by the salvage; before the first START SLAVE.
    pub fn relay_log_examined(&self) -> Result<()> {
        let path = self.relay_mark();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::file(format!("remove `{}`", path.display()))(error))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn refuse_unexamined(&self) -> Result<()> {
        if self.is_relay_log_unexamined() {
            Err(Error::RelayLogUnexamined)
        } else {
            Ok(())
        }
    }
}
