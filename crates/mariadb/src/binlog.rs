//! Reads binlog and relay log files on disk, event by event and transaction by transaction.
//!
//! It decodes only what deciding needs (GTIDs, kinds of events, names of tables, checksums); turning
//! events into statements is left to `mariadb-binlog`. Reading blocks: call it from a blocking thread.
//! Next: `event.rs` (one event), `group.rs` (one transaction), `scan.rs` (a row of files);
//! `search.rs` looks for marked writes (`skim.rs` reads fast, `rows.rs` counts rows).

mod event;
mod group;
mod index;
mod rows;
mod scan;
mod search;
mod skim;

pub(crate) use group::{Contents, Group};
pub(crate) use index::{covered_start, files_of, start_of_server};
pub(crate) use scan::scan;
pub(crate) use search::{Finding, Search, Wanted, Work};

#[cfg(test)]
pub(crate) use group::Place;
#[cfg(test)]
pub(crate) mod sample;
