//! Which log files there are: the server's index file, and in which of them a position lies.

use std::path::{Path, PathBuf};

use wire::gtid::{Gtid, Position};

use super::event::{EventReader, GTID, GTID_LIST, Next};
use crate::error::{Error, Result};

/// Limit: an index longer than this is not one.
const INDEX_LIMIT: u64 = 16 * 1024 * 1024;

/// The files named in an index, oldest first, those that exist. An absent index names none. Blocks.
pub(crate) fn files_of(index: &Path, database_dir: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e| Error::file(format!("read `{}`", index.display()))(e);
    match std::fs::metadata(index) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(failed(e)),
        Ok(meta) if meta.len() > INDEX_LIMIT => {
            return Err(Error::unexpected(
                "read log index",
                format!("{} bytes", meta.len()),
            ));
        }
        Ok(_) => {}
    }
    let text = std::fs::read_to_string(index).map_err(failed)?;
    let names = text.lines().map(str::trim).filter(|line| !line.is_empty());
    // Names are relative to the data directory unless absolute; `join` knows both.
    Ok(names
        .map(|name| database_dir.join(name))
        .filter(|path| path.exists())
        .collect())
}

/// Where to begin to read beyond a position.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// Number of the file.
    pub(crate) file: usize,
    /// The last transaction of each domain and server before it.
    pub(crate) before: Vec<Gtid>,
}

/// The last binlog file that begins at or below `position`: nothing beyond it lies in an
/// earlier one. `None` when every file begins beyond it. Blocks.
pub(crate) fn covered_start(files: &[PathBuf], position: &Position) -> Result<Option<Beginning>> {
    for (file, path) in files.iter().enumerate().rev() {
        if let Some(before) = begins_at(path)?
            && before
                .iter()
                .all(|id| id.sequence <= position.sequence(id.domain))
        {
            return Ok(Some(Beginning { file, before }));
        }
    }
    Ok(None)
}

/// The last binlog file before which nothing was written under this server id; the first one if it cannot be told. Blocks.
pub(crate) fn start_of_server(files: &[PathBuf], server: u32) -> Result<usize> {
    for (file, path) in files.iter().enumerate().rev() {
        if begins_at(path)?.is_some_and(|before| before.iter().all(|id| id.server != server)) {
            return Ok(file);
        }
    }
    Ok(0)
}

/// What was in the binlog before this file: its GTID list event.
fn begins_at(path: &Path) -> Result<Option<Vec<Gtid>>> {
    let failed = |e| Error::file(format!("read log `{}`", path.display()))(e);
    let Some(mut reader) = EventReader::open(path).map_err(failed)? else {
        return Ok(None);
    };
    while let Next::Event(event) = reader.next().map_err(failed)? {
        match event.kind {
            GTID_LIST => return Ok(listed(&event.head)),
            GTID => return Ok(None),
            _ => {}
        }
    }
    Ok(None)
}

/// Body of a GTID list: a count (with flags above bit 28), then domain, server, sequence of each.
pub(super) fn listed(body: &[u8]) -> Option<Vec<Gtid>> {
    let count = u32::from_le_bytes(body.get(..4)?.try_into().ok()?) & 0x0fff_ffff;
    let entries = body.get(4..)?;
    if entries.len() < count as usize * 16 {
        return None;
    }
    entries
        .chunks_exact(16)
        .take(count as usize)
        .map(|entry| {
            Some(Gtid {
                domain: u32::from_le_bytes(entry[..4].try_into().ok()?),
                server: u32::from_le_bytes(entry[4..8].try_into().ok()?),
                sequence: u64::from_le_bytes(entry[8..].try_into().ok()?),
            })
        })
        .collect()
}
