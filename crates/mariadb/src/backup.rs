//! Cloning a server: a backup as a stream, received beside the old data, put in its place, adopted.
//!
//! 1. source: `Server::backup` (`send.rs`); 2. target, stopped or running: `Server::receive` (`receive.rs`);
//! 3. target, stopped: `Server::install_clone` (`install.rs`); 4. target: `Server::adopt_clone` (`adopt.rs`), which
//! starts it and leaves it ready for `follow`; 5. once it is in sync: `Server::forget_old_copies`.
//! Taking the node out of the ledger's set *before* step 2 is the caller's duty.

mod adopt;
mod check;
mod install;
mod receive;
mod send;

use std::path::{Path, PathBuf};

pub use adopt::Adopted;
pub(crate) use adopt::read_position;
pub(crate) use receive::blocking;
pub use receive::{Progress, Received, Stage};
pub use send::BackupStream;

/// Beginnings of the names of mariadb-backup's own notes; the second from 11.1 on.
const NOTES: [&str; 2] = ["xtrabackup_", "mariadb_backup_"];
/// Note with the position of a primary.
const BINLOG_INFO: &str = "binlog_info";
/// Note written only when the source is a replica (`--slave-info`).
const SLAVE_INFO: &str = "slave_info";

/// Path of one of mariadb-backup's notes in a copy, under the name it has there.
fn note_in(dir: &Path, note: &str) -> Option<PathBuf> {
    NOTES.iter().map(|start| dir.join(format!("{start}{note}"))).find(|path| path.is_file())
}
