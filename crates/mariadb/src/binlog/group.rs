//! One transaction (event group) of a log: its GTID, where it lies, and what kind of events it holds.
//! What may be rewound is judged in `tail/judge.rs`; here are only facts.

use std::collections::BTreeSet;

use wire::gtid::Gtid;

use super::event::{self, Event};

/// Flags of a GTID event (MariaDB `Gtid_log_event`).
pub(super) const STANDALONE: u8 = 1;
pub(super) const TRANSACTIONAL: u8 = 4;
const DDL: u8 = 32;
const PREPARED_XA: u8 = 64;
const COMPLETED_XA: u8 = 128;

/// A place in a row of log files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Which of the files scanned.
    pub(crate) file: usize,
    /// Offset in it.
    pub(crate) offset: u64,
}

/// What a transaction holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Contents {
    /// Flagged as DDL, or consisting of one statement without a transaction.
    pub(crate) ddl: bool,
    /// Touches something that cannot be rolled back.
    pub(crate) non_transactional: bool,
    /// Part of an XA transaction.
    pub(crate) xa: bool,
    /// Holds a statement as text.
    pub(crate) statement: bool,
    /// Holds an event this program does not know.
    pub(crate) unknown: bool,
    /// Holds rows without all their columns.
    pub(crate) partial_rows: bool,
    /// Changes or deletes rows.
    pub(crate) erases: bool,
    /// Schema and name of the tables whose rows are changed.
    pub(crate) tables: BTreeSet<(String, String)>,
}

/// One whole transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    /// Its id.
    pub(crate) id: Gtid,
    /// Where its GTID event starts.
    pub(crate) start: Place,
    /// When it was written, in seconds since 1970, by its primary's clock.
    pub(crate) written_at: u32,
    /// What it holds.
    pub(crate) contents: Contents,
    /// The one before it in the files has no end, and no restart of its primary explains that.
    pub(crate) follows_torn: bool,
}

/// Builds groups out of events.
#[derive(Default)]
pub(super) struct Grouping {
    open: Option<(Group, bool)>,
}

impl Grouping {
    /// Takes one event; gives the group that it completes.
    pub(super) fn add(&mut self, file: usize, event: &Event) -> Option<Group> {
        match event.kind {
            event::GTID => {
                let follows_torn = self.open.is_some();
                self.open = begin(file, event).map(|(group, single)| {
                    (
                        Group {
                            follows_torn,
                            ..group
                        },
                        single,
                    )
                });
                None
            }
            event::FORMAT if created(event) => {
                self.open = None;
                None
            }
            event::FORMAT
            | event::ROTATE
            | event::STOP
            | event::HEARTBEAT
            | event::CHECKPOINT
            | event::GTID_LIST => None,
            _ => {
                let (group, standalone) = self.open.as_mut()?;
                let ends = note(&mut group.contents, event, *standalone);
                if ends {
                    self.open.take().map(|(group, _)| group)
                } else {
                    None
                }
            }
        }
    }
}

/// A format description with a time of creation marks a start of the server: what was open is gone.
fn created(event: &Event) -> bool {
    event.head.get(52..56).is_some_and(|time| time != [0; 4])
}

fn begin(file: usize, event: &Event) -> Option<(Group, bool)> {
    let sequence = u64::from_le_bytes(event.head.get(..8)?.try_into().ok()?);
    let domain = u32::from_le_bytes(event.head.get(8..12)?.try_into().ok()?);
    let flags = *event.head.get(12)?;
    let contents = Contents {
        ddl: flags & DDL != 0,
        non_transactional: flags & TRANSACTIONAL == 0,
        xa: flags & (PREPARED_XA | COMPLETED_XA) != 0,
        ..Contents::default()
    };
    let group = Group {
        id: Gtid {
            domain,
            server: event.server,
            sequence,
        },
        start: Place {
            file,
            offset: event.start,
        },
        written_at: event.timestamp,
        contents,
        follows_torn: false,
    };
    Some((group, flags & STANDALONE != 0))
}

/// Notes what an event within a group is; true when it ends the group.
fn note(contents: &mut Contents, event: &Event, standalone: bool) -> bool {
    match event.kind {
        event::XID => true,
        event::XA_PREPARE => {
            contents.xa = true;
            true
        }
        event::QUERY => match statement(&event.head) {
            Some(b"COMMIT" | b"ROLLBACK") if !standalone => true,
            _ => {
                contents.statement = true;
                contents.ddl |= standalone;
                standalone
            }
        },
        event::INTVAR | event::RAND | event::USER_VAR => {
            contents.statement = true;
            false
        }
        event::ANNOTATE_ROWS => false,
        event::TABLE_MAP => {
            match table(&event.head) {
                Some(names) => drop(contents.tables.insert(names)),
                None => contents.unknown = true,
            }
            false
        }
        23..=25 | 30..=32 => {
            contents.partial_rows |= !has_all_columns(event);
            contents.erases |= !matches!(event.kind, 23 | 30);
            false
        }
        _ => {
            contents.unknown = true;
            // A compressed or unknown statement on its own still ends its group.
            standalone
        }
    }
}

/// Text of a query event: 13 bytes, status variables, schema, NUL, statement.
pub(super) fn statement(body: &[u8]) -> Option<&[u8]> {
    let schema_bytes = usize::from(*body.get(8)?);
    let status_bytes = usize::from(u16::from_le_bytes(body.get(11..13)?.try_into().ok()?));
    body.get(13 + status_bytes + schema_bytes + 1..)
}

/// Schema and table of a table map: 8 bytes, then twice a length, a name and a NUL.
fn table(body: &[u8]) -> Option<(String, String)> {
    let rest = body.get(8..)?;
    let (schema, rest) = short_name(rest)?;
    let (table, _) = short_name(rest)?;
    Some((schema, table))
}

fn short_name(bytes: &[u8]) -> Option<(String, &[u8])> {
    let length = usize::from(*bytes.first()?);
    let name = std::str::from_utf8(bytes.get(1..=length)?).ok()?;
    Some((name.to_owned(), bytes.get(length + 2..)?))
}

/// True when the images before and after carry every column of the table.
fn has_all_columns(event: &Event) -> bool {
    columns(event).unwrap_or(false)
}

fn columns(event: &Event) -> Option<bool> {
    let is_second_version = event.kind >= 30;
    let mut rest = event.head.get(8..)?;
    if is_second_version {
        let extra = usize::from(u16::from_le_bytes(rest.get(..2)?.try_into().ok()?));
        rest = rest.get(extra.max(2)..)?;
    }
    // Limit: a table has at most 4096 columns, so the length is one byte, or 0xfc and two.
    let (width, rest) = match *rest.first()? {
        0xfc => (
            usize::from(u16::from_le_bytes(rest.get(1..3)?.try_into().ok()?)),
            rest.get(3..)?,
        ),
        short @ 0..=0xfa => (usize::from(short), rest.get(1..)?),
        _ => return None,
    };
    let bytes = width.div_ceil(8);
    let full = |bitmap: &[u8]| (0..width).all(|n| bitmap[n / 8] & (1 << (n % 8)) != 0);
    let is_update = matches!(event.kind, 24 | 31);
    let after = if is_update {
        full(rest.get(bytes..bytes * 2)?)
    } else {
        true
    };
    Some(full(rest.get(..bytes)?) && after)
}
