//! Cloning a server: a backup as a stream, received beside the old data, put in its place, adopted.
//!
//! `Server::backup` at the source (`send.rs`); at the target `receive`, while the old server may still run
//! (`receive.rs`), `install_clone`, which needs it stopped (`install.rs`), `adopt_clone`, which starts the copy and
//! leaves it ready for `follow` (`adopt.rs`), and `forget_old_copies` once the node is in sync.
//! Taking the node out of the ledger's set before its server is stopped is the caller's duty.

mod adopt;
mod check;
pub(crate) mod install;
mod receive;
mod send;

use std::path::{Path, PathBuf};

pub use adopt::Adopted;
pub(crate) use adopt::read_position;
#[cfg(feature = "fuzzing")]
pub(crate) use check::StreamCheck;
pub(crate) use receive::blocking;
pub use receive::{Progress, Received, Stage};
pub use send::BackupStream;

/// Beginnings of the names of mariadb-backup's own notes; the second from 11.1 on.
const NOTES: [&str; 2] = ["xtrabackup_", "mariadb_backup_"];
/// Note on the backup as a whole, the last file of a stream.
const INFO: &str = "info";
/// Note with the position of a primary.
const BINLOG_INFO: &str = "binlog_info";
/// Note written only when the source is a replica (`--slave-info`).
const SLAVE_INFO: &str = "slave_info";

/// Path of one of mariadb-backup's notes in a copy, under the name it has there.
fn note_in(dir: &Path, note: &str) -> Option<PathBuf> {
    NOTES
        .iter()
        .map(|start| dir.join(format!("{start}{note}")))
        .find(|path| path.is_file())
}
