//! What is kept of an open transaction: its requests, and what their answers came to.

use crc32fast::Hasher;
use wire::packet::HEADER;
use wire::reply::{ErrPacket, OkPacket};
use wire::statement::Statement;
use wire::walk::Kind;

use super::request::Request;
use super::stock;

/// A transaction whose replay is broken off this often is given up.
const MAX_TRIES: u32 = 3;

/// What an answer came to: its bytes without status flags and reports of the session's state.
#[derive(Clone, Debug, Default)]
pub(super) struct Sum {
    hasher: Hasher,
    length: u64,
}

impl Sum {
    fn add(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
        self.length += bytes.len() as u64;
    }

    pub(super) fn value(&self) -> (u32, u64) {
        (self.hasher.clone().finalize(), self.length)
    }
}

/// One request.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) end: usize,
    pub(super) statement: Statement,
    pub(super) statement_ref: u32,
    pub(super) sum: (u32, u64),
}

/// The statement of the client that waits for the end of a replay.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) request: Request,
    pub(super) command: u8,
    pub(super) statement: Statement,
    pub(super) statement_ref: u32,
}

/// What a transaction wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writes {
    /// Nothing.
    None,
    /// Writes that all carry the session's mark.
    Marked,
    /// Some with the mark, and something without.
    Both,
    /// Something without a mark.
    Unmarked,
}

/// The transaction so far.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pub(super) bytes: Vec<u8>,
    pub(super) entries: Vec<Entry>,
    /// It cannot be run again.
    pub(super) spoilt: bool,
    pub(super) marked: bool,
    pub(super) unmarked: bool,
    /// The answer that runs is listened to.
    pub(super) listens: bool,
    pub(super) sum: Sum,
    /// Prepared statements that the client closed and a replay would use.
    closed: Vec<u32>,
    /// It was lost and is to be run again.
    pub(super) pending: bool,
    /// It is being run again: this entry.
    pub(super) at: Option<usize>,
    pub(super) held: Option<Box<Held>>,
    pub(super) tries: u32,
}

impl Replay {
    pub(crate) fn can(&self) -> bool {
        !self.spoilt && !self.entries.is_empty() && self.tries < MAX_TRIES
    }

    /// Cannot be run again.
    pub(crate) fn spoil(&mut self) {
        if self.at.is_none() && !self.pending {
            self.spoilt = true;
            let (bytes, entries) = (&mut self.bytes, &mut self.entries);
            stock::give_back((std::mem::take(bytes), std::mem::take(entries)));
        }
    }

    /// Is to be run again at the next statement.
    pub(crate) fn plan(&mut self) {
        self.pending = true;
    }

    pub(crate) fn is_planned(&self) -> bool {
        self.pending
    }

    pub(crate) fn runs(&self) -> bool {
        self.at.is_some()
    }

    pub(crate) fn writes(&self) -> Writes {
        match (self.marked, self.unmarked) {
            (false, false) => Writes::None,
            (true, false) => Writes::Marked,
            (true, true) => Writes::Both,
            (false, true) => Writes::Unmarked,
        }
    }

    /// The transaction is over; gives the prepared statements that can be forgotten now.
    /// True when [`Self::clear`] would change nothing.
    pub(crate) fn is_blank(&self) -> bool {
        let has_seen = self.spoilt | self.marked | self.unmarked | self.listens | self.pending;
        let has_tried = self.at.is_some() || self.held.is_some() || self.tries > 0;
        let has_kept = !self.entries.is_empty() || !self.bytes.is_empty();
        !has_seen && !has_tried && !has_kept && self.closed.is_empty()
    }

    pub(crate) fn clear(&mut self) -> Vec<u32> {
        let closed = std::mem::take(&mut self.closed);
        let over = std::mem::take(self);
        stock::give_back((over.bytes, over.entries));
        closed
    }

    /// Writes a request down, which ends where all that is written ends.
    pub(super) fn add(&mut self, packet: &[u8], mut entry: Entry) {
        if self.entries.capacity() == 0 {
            (self.bytes, self.entries) = stock::take();
        }
        self.bytes.extend_from_slice(packet);
        entry.end = self.bytes.len();
        self.entries.push(entry);
    }

    /// True when a replay would need a prepared statement that the client closes: it is forgotten later.
    pub(crate) fn keeps(&mut self, id: u32) -> bool {
        let needed = self.entries.iter().any(|entry| entry.statement_ref == id);
        if needed {
            self.closed.push(id);
        }
        needed
    }

    /// Bytes of the answer that are passed on as they are.
    #[inline]
    pub(crate) fn hear(&mut self, bytes: &[u8]) {
        if self.listens {
            self.sum.add(bytes);
        }
    }

    /// A packet of interest of the answer.
    #[inline]
    pub(crate) fn hear_packet(&mut self, kind: Kind, bytes: &[u8]) {
        if !self.listens {
            return;
        }
        let payload = bytes.get(HEADER..).unwrap_or_default();
        match kind {
            Kind::Ok(_) => {
                if let Ok(ok) = OkPacket::parse(payload) {
                    let mut numbers = [0; 16];
                    numbers[..8].copy_from_slice(&ok.affected.to_le_bytes());
                    numbers[8..].copy_from_slice(&ok.insert_id.to_le_bytes());
                    self.sum.add(b"o");
                    self.sum.add(&numbers);
                    self.sum.add(ok.info);
                }
            }
            Kind::Eof(_) => self.sum.add(b"e"),
            Kind::Err => {
                if let Some(err) = ErrPacket::parse(payload) {
                    self.sum.add(&err.code.to_le_bytes());
                    self.sum.add(err.message);
                }
            }
            Kind::LocalInfile => self.spoil(),
            Kind::Progress | Kind::Prepared => {}
        }
    }

    #[cfg(test)]
    pub(crate) fn entries_kept(&self) -> usize {
        self.entries.len()
    }

    #[cfg(test)]
    pub(crate) fn bytes_kept(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn packet(&self, at: usize) -> &[u8] {
        let begin = at
            .checked_sub(1)
            .map_or(0, |before| self.entries[before].end);
        &self.bytes[begin..self.entries[at].end]
    }
}
