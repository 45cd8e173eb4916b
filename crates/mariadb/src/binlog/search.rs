//! Looks marked writes up in a server's own binlog, over a stretch of its history that is closed.
//!
//! That a mark is *not* there says little by itself. A statement whose BEFORE trigger, or a function in a view, writes
//! first is annotated with the trigger's text instead of its own; one that takes its key from a sequence's NEXT VALUE
//! may have no annotation at all (10.11.19). All of these lock more than one table or lack the annotation, so a transaction
//! without any mark of that kind makes whatever was not found unknown instead of absent.

use std::path::PathBuf;

use wire::gtid::Gtid;
use wire::tag::{HEAD, Tag};

use super::event::{self, ANNOTATE_ROWS, GTID, GTID_LIST, QUERY, TABLE_MAP, XA_PREPARE, XID};
use super::group::{STANDALONE, TRANSACTIONAL, statement};
use super::index::listed;
use super::rows::{Change, Map};
use super::skim::{Header, Skimmer, Step};
use crate::error::{Error, Result};

/// Everything is kept in this domain.
const DOMAIN: u32 = 0;
/// Limit: a transaction with more bytes of rows is found and not counted.
const ROWS_LIMIT: usize = 16 * 1024 * 1024;
/// Query events are read this far: status variables, schema and the head of the text.
const QUERY_HEAD: usize = 4 * 1024;
/// Row event flag: the last of its statement.
const STATEMENT_END: u8 = 1;

/// One mark to look for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    /// The number 0 stands for any.
    pub(crate) tag: Tag,
    /// Only behind this sequence number.
    pub(crate) since: u64,
}

/// What was found of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Finding {
    /// In this transaction.
    Found(Gtid, Option<Work>),
    Absent,
    Unknown(&'static str),
}

/// What the one statement of a transaction did, to one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    pub(crate) map: Map,
    pub(crate) inserted: u64,
    pub(crate) updated: u64,
    pub(crate) deleted: u64,
    /// Whole numbers of the first row inserted, by column.
    pub(crate) first: Vec<Option<u64>>,
}

/// The transaction that is being read.
struct Open {
    id: Gtid,
    standalone: bool,
    transactional: bool,
    /// It holds somebody's mark.
    marked: bool,
    /// A statement of it may have lost its mark.
    doubtful: bool,
    /// Since the last end of a statement: an annotation, and so many tables.
    annotated: bool,
    tables: u32,
    annotations: u32,
    hits: Vec<usize>,
    rows: Rows,
}

/// Rows of a transaction that was wanted.
#[derive(Default)]
struct Rows {
    maps: Vec<Map>,
    work: Option<Work>,
    bytes: usize,
    /// More than one table, or something that cannot be counted.
    unclear: bool,
}

/// A search over files from `since` of each mark to `until`.
pub(crate) struct Search<'a> {
    wanted: &'a [Wanted],
    until: u64,
    found: Vec<Option<Finding>>,
    /// Sequence numbers: of the last doubtful transaction, of the first one that would be here, of the last.
    doubtful: Option<u64>,
    first: Option<u64>,
    last: u64,
}

impl<'a> Search<'a> {
    pub(crate) fn new(wanted: &'a [Wanted], until: u64) -> Self {
        Self {
            wanted,
            until,
            found: wanted.iter().map(|_| None).collect(),
            doubtful: None,
            first: None,
            last: 0,
        }
    }

    /// Reads the files, oldest first, and says what was found of each mark. Blocks.
    pub(crate) fn run(mut self, files: &[PathBuf]) -> Result<Vec<Finding>> {
        let mut damaged = false;
        for path in files {
            let failed = |e| Error::file(format!("read log `{}`", path.display()))(e);
            let Some(mut skimmer) = Skimmer::open(path).map_err(failed)? else {
                break;
            };
            let mut open = None;
            let ended = loop {
                match skimmer.next().map_err(failed)? {
                    Step::End => break false,
                    Step::Damaged => {
                        damaged = true;
                        break true;
                    }
                    Step::Event(header) if header.kind == event::START_ENCRYPTION => {
                        return Err(Error::LogEncrypted(path.clone()));
                    }
                    Step::Event(header) => {
                        if self.meet(&mut open, header, &mut skimmer).map_err(failed)? {
                            break true;
                        }
                    }
                }
            };
            // Why: one that is cut off by the end of its file may have been anything.
            if let Some(torn) = open.take() {
                self.doubt(torn.id);
            }
            if ended {
                break;
            }
        }
        Ok(self.judge(damaged))
    }

    /// Takes an event; true when nothing behind it matters.
    fn meet(
        &mut self,
        open: &mut Option<Open>,
        header: Header,
        skimmer: &mut Skimmer,
    ) -> std::io::Result<bool> {
        match header.kind {
            GTID_LIST if self.first.is_none() => {
                let list = listed(skimmer.body(header, 1 << 20)?).unwrap_or_default();
                let before = list.iter().filter(|id| id.domain == DOMAIN);
                if let Some(sequence) = before.map(|id| id.sequence).max() {
                    self.first = Some(sequence.saturating_add(1));
                    self.last = sequence;
                }
            }
            GTID => {
                let Some(next) = begin(header, skimmer.body(header, 19)?) else {
                    return Ok(false);
                };
                if next.id.domain == DOMAIN {
                    if next.id.sequence > self.until {
                        self.last = self.last.max(self.until);
                        return Ok(true);
                    }
                    self.first.get_or_insert(next.id.sequence);
                    self.last = self.last.max(next.id.sequence);
                }
                if let Some(torn) = open.replace(next) {
                    self.doubt(torn.id);
                }
            }
            _ => {
                let Some(group) = open.as_mut() else {
                    return Ok(false);
                };
                if let Some(by_engine) = group.note(self.wanted, header, skimmer)?
                    && let Some(group) = open.take()
                {
                    self.close(group, by_engine);
                }
            }
        }
        Ok(false)
    }

    /// A transaction has ended; `by_engine`: with a commit of the storage engine.
    fn close(&mut self, group: Open, by_engine: bool) {
        if !group.marked && group.doubtful {
            self.doubt(group.id);
        }
        for hit in group.hits {
            let finding = if self.found[hit].is_some() {
                Finding::Unknown("two transactions carry its mark")
            } else if by_engine && group.transactional {
                let work = group.rows.work.clone();
                let is_clear = group.annotations == 1 && !group.rows.unclear;
                Finding::Found(group.id, work.filter(|_| is_clear))
            } else {
                Finding::Unknown("it changed a table that cannot be rolled back")
            };
            self.found[hit] = Some(finding);
        }
    }

    /// This transaction may be anybody's.
    fn doubt(&mut self, id: Gtid) {
        let is_ordered = id.domain == DOMAIN;
        let sequence = if is_ordered { id.sequence } else { u64::MAX };
        self.doubtful = self.doubtful.max(Some(sequence));
    }

    fn judge(self, damaged: bool) -> Vec<Finding> {
        let Self {
            wanted,
            until,
            found,
            doubtful,
            first,
            last,
        } = self;
        let judge = |(wanted, found): (&Wanted, Option<Finding>)| match found {
            Some(finding) => finding,
            None if until <= wanted.since => Finding::Absent,
            None if damaged => Finding::Unknown("the binlog is damaged"),
            None if first.is_none_or(|first| first > wanted.since + 1) => {
                Finding::Unknown("the binlog does not reach back that far")
            }
            None if last < until => Finding::Unknown("the binlog does not reach that far"),
            None if doubtful.is_some_and(|doubtful| doubtful > wanted.since) => {
                Finding::Unknown("a transaction without a mark may be it")
            }
            None => Finding::Absent,
        };
        wanted.iter().zip(found).map(judge).collect()
    }
}

fn begin(header: Header, body: &[u8]) -> Option<Open> {
    let sequence = u64::from_le_bytes(body.get(..8)?.try_into().ok()?);
    let domain = u32::from_le_bytes(body.get(8..12)?.try_into().ok()?);
    let flags = *body.get(12)?;
    Some(Open {
        id: Gtid {
            domain,
            server: header.server,
            sequence,
        },
        standalone: flags & STANDALONE != 0,
        transactional: flags & TRANSACTIONAL != 0,
        marked: false,
        doubtful: false,
        annotated: false,
        tables: 0,
        annotations: 0,
        hits: Vec::new(),
        rows: Rows::default(),
    })
}

impl Open {
    /// Notes an event; `Some` when it is the transaction's last: whether the storage engine committed it.
    fn note(
        &mut self,
        wanted: &[Wanted],
        header: Header,
        skimmer: &mut Skimmer,
    ) -> std::io::Result<Option<bool>> {
        match header.kind {
            XID => return Ok(Some(true)),
            XA_PREPARE => return Ok(Some(false)),
            QUERY => {
                let body = skimmer.body(header, QUERY_HEAD)?;
                let text = statement(body).unwrap_or_default();
                if !self.standalone && matches!(text, b"COMMIT" | b"ROLLBACK") {
                    return Ok(Some(false));
                }
                self.read_mark(wanted, text);
                // Why: a row format of text; what it did is in no row event.
                self.rows.unclear = true;
                return Ok(self.standalone.then_some(false));
            }
            ANNOTATE_ROWS => {
                self.annotated = true;
                self.annotations += 1;
                self.tables = 0;
                self.read_mark(wanted, skimmer.body(header, HEAD)?);
            }
            TABLE_MAP => {
                self.tables += 1;
                self.doubtful |= !self.annotated || self.tables > 1;
                if !self.hits.is_empty() {
                    self.rows.map(skimmer.body(header, 1 << 16)?);
                }
            }
            23..=25 | 30..=32 | 166..=171 => {
                let most = if self.hits.is_empty() { 8 } else { ROWS_LIMIT };
                let body = skimmer.body(header, most)?;
                if body.get(6).is_none_or(|flags| flags & STATEMENT_END != 0) {
                    self.annotated = false;
                    self.tables = 0;
                }
                if !self.hits.is_empty() {
                    self.rows.count(header, body);
                }
            }
            event::INTVAR | event::RAND | event::USER_VAR => {}
            _ => {
                self.doubtful = true;
                return Ok(self.standalone.then_some(false));
            }
        }
        Ok(None)
    }

    fn read_mark(&mut self, wanted: &[Wanted], text: &[u8]) {
        let Some(tag) = Tag::find(text) else { return };
        self.marked = true;
        for (at, wanted) in wanted.iter().enumerate() {
            let same = wanted.tag.session == tag.session
                && (wanted.tag.number == 0 || wanted.tag.number == tag.number);
            let is_behind = self.id.domain != DOMAIN || self.id.sequence > wanted.since;
            if same && is_behind && !self.hits.contains(&at) {
                self.hits.push(at);
            }
        }
    }
}

impl Rows {
    fn map(&mut self, body: &[u8]) {
        match Map::read(body) {
            Some(map) => self.maps.push(map),
            None => self.unclear = true,
        }
    }

    fn count(&mut self, header: Header, body: &[u8]) {
        self.bytes += header.bytes;
        if self.bytes > ROWS_LIMIT || self.add(header.kind, body).is_none() {
            self.unclear = true;
        }
    }

    fn add(&mut self, kind: u8, body: &[u8]) -> Option<()> {
        let change = Change::of(kind)?;
        let mut id = [0; 8];
        id[..6].copy_from_slice(body.get(..6)?);
        let id = u64::from_le_bytes(id);
        let map = self.maps.iter().rev().find(|map| map.id == id)?;
        let counted = map.count(change, kind >= 30, body)?;
        let work = self.work.get_or_insert_with(|| Work {
            map: map.clone(),
            inserted: 0,
            updated: 0,
            deleted: 0,
            first: Vec::new(),
        });
        if work.map != *map {
            return None;
        }
        match change {
            Change::Insert => {
                if work.inserted == 0 {
                    work.first = counted.first;
                }
                work.inserted += counted.rows;
            }
            Change::Update => work.updated += counted.rows,
            Change::Delete => work.deleted += counted.rows,
        }
        Some(())
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
