//! The tail: transactions in a server's binlog beyond the position at which the cluster went on without it.
//!
//! `errant` names them, `save_tail` writes them to a file that people can read and a server can execute (`save_written_under`
//! does so with what one server id has written, tail or not), `rewind` takes them out of the data where that is certain (`judge.rs`, `rewind.rs`); otherwise a clone is needed.

mod judge;
mod rewind;
mod save;

use std::path::PathBuf;
use std::time::Duration;

use wire::gtid::{Gtid, Position};

use crate::backup::blocking;
use crate::binlog::{self, Group};
use crate::error::{Error, Result};
use crate::server::Server;

pub use judge::Verdict;
pub use save::TailSummary;

const LIMIT: Duration = Duration::from_mins(1);
/// Limit: more than this is no tail; one that long is cloned.
const GROUPS_LIMIT: usize = 100_000;

/// What stands in the binlog beyond a position.
pub(crate) struct Tail {
    /// Binlog files from the first of these transactions on.
    pub(crate) files: Vec<PathBuf>,
    /// The transactions, oldest first; `start.file` counts in `files`.
    pub(crate) groups: Vec<Group>,
    /// The very transactions that `cut` names are in this server's history: up to there it is the cluster's.
    pub(crate) has_cut: bool,
}

impl Server {
    /// Transactions in this server's binlog beyond `cut` that none of `writers` (the server ids that were
    /// primary since the cut) has written: nobody else will ever have them. Oldest first.
    pub async fn errant(&self, cut: &Position, writers: &[u32]) -> Result<Vec<Gtid>> {
        let tail = self.tail(cut).await?;
        Ok(tail
            .groups
            .iter()
            .map(|group| group.id)
            .filter(|id| !writers.contains(&id.server))
            .collect())
    }

    /// Reads the binlog files beyond `cut`.
    pub(crate) async fn tail(&self, cut: &Position) -> Result<Tail> {
        let cut = cut.clone();
        self.in_binlog(move |files| read(files, &cut)).await
    }

    async fn in_binlog(
        &self,
        look: impl FnOnce(Vec<PathBuf>) -> Result<Tail> + Send + 'static,
    ) -> Result<Tail> {
        let database_dir = self.settings().database_dir.clone();
        blocking(move || {
            let files = binlog::files_of(&database_dir.join("binlog.index"), &database_dir)?;
            look(files)
        })
        .await
    }
}

/// Blocks.
fn read(mut files: Vec<PathBuf>, cut: &Position) -> Result<Tail> {
    let Some(beginning) = binlog::covered_start(&files, cut)? else {
        if files.is_empty() {
            return Ok(Tail {
                files,
                groups: Vec::new(),
                has_cut: cut.is_empty(),
            });
        }
        return Err(Error::NeedsClone {
            why: format!("its binlog no longer reaches back to `{cut}`"),
        });
    };
    files.drain(..beginning.file);
    let mut unseen: Vec<Gtid> = cut
        .iter()
        .filter(|id| !beginning.before.contains(id))
        .collect();
    let groups = collect(&mut files, &mut |group| {
        unseen.retain(|id| *id != group.id);
        group.id.sequence > cut.sequence(group.id.domain)
    })?;
    Ok(Tail {
        files,
        groups,
        has_cut: unseen.is_empty(),
    })
}

/// What was written under one server id, wherever it stands. Blocks.
fn read_of_server(mut files: Vec<PathBuf>, server: u32) -> Result<Tail> {
    files.drain(..binlog::start_of_server(&files, server)?);
    let groups = collect(&mut files, &mut |group| group.id.server == server)?;
    Ok(Tail {
        files,
        groups,
        has_cut: false,
    })
}

/// The transactions that are wanted, and of `files` what is left from the first of them on.
fn collect(files: &mut Vec<PathBuf>, wanted: &mut dyn FnMut(&Group) -> bool) -> Result<Vec<Group>> {
    let mut groups = Vec::new();
    let mut is_too_long = false;
    let end = binlog::scan(files, &mut |group: Group| {
        if wanted(&group) {
            is_too_long |= groups.len() >= GROUPS_LIMIT;
            if !is_too_long {
                groups.push(group);
            }
        }
    })?;
    if is_too_long {
        return Err(Error::NeedsClone {
            why: format!("more than {GROUPS_LIMIT} transactions are its own"),
        });
    }
    if let Some(damage) = end.damage {
        let why = format!(
            "its binlog `{}` is damaged at {}: {}",
            damage.file.display(),
            damage.offset,
            damage.why
        );
        return Err(Error::NeedsClone { why });
    }
    let first = groups.first().map_or(0, |group| group.start.file);
    files.drain(..first);
    for group in &mut groups {
        group.start.file -= first;
    }
    Ok(groups)
}
