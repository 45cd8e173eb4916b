//! Goes through a row of log files and shows each whole transaction in them.
//! It stops at the first damage: what lies behind a torn event cannot be trusted to follow it.

use std::path::PathBuf;

use super::event::{EventReader, Next, START_ENCRYPTION};
use super::group::{Group, Grouping};
use crate::error::{Error, Result};

/// Where and why a log cannot be read further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    /// The file.
    pub(crate) file: PathBuf,
    /// Offset at which whole events end.
    pub(crate) offset: u64,
    /// What is wrong there.
    pub(crate) why: &'static str,
}

/// How a scan ended.
#[derive(Debug, Default)]
pub(crate) struct ScanEnd {
    /// Set when the files could not be read to their end.
    pub(crate) damage: Option<Damage>,
}

/// Shows `visit` every whole transaction of `files`, in order. Blocks.
pub(crate) fn scan(files: &[PathBuf], visit: &mut dyn FnMut(Group)) -> Result<ScanEnd> {
    let mut grouping = Grouping::default();
    for (number, path) in files.iter().enumerate() {
        let failed = |e| Error::file(format!("read log `{}`", path.display()))(e);
        let damaged = |offset, why| ScanEnd { damage: Some(Damage { file: path.clone(), offset, why }) };
        let Some(mut reader) = EventReader::open(path).map_err(failed)? else {
            return Ok(damaged(0, "it does not start as a log does"));
        };
        let mut end = 4;
        loop {
            match reader.next().map_err(failed)? {
                Next::End => break,
                Next::Damaged(why) => return Ok(damaged(end, why)),
                Next::Event(event) if event.kind == START_ENCRYPTION => {
                    return Err(Error::LogEncrypted(path.clone()));
                }
                Next::Event(event) => {
                    end = event.end;
                    if let Some(group) = grouping.add(number, &event) {
                        visit(group);
                    }
                }
            }
        }
    }
    Ok(ScanEnd::default())
}
