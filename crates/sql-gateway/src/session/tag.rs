//! The session's mark on its writes, and how far history lay behind when they were sent.

use wire::gtid::Gtid;
use wire::statement::{Kind, Marks, Statement};
use wire::tag::Tag;

use crate::behind::Behind;

/// Signs one session's writes.
#[derive(Debug, Default)]
pub(crate) struct Signer {
    /// 0: nothing is signed.
    session: u64,
    number: u32,
    behind: Behind,
    /// As far as `behind` had reached when the statement or transaction that runs was begun.
    since: u64,
    /// A signed write was committed without a word of its GTID: the session's mark alone tells nothing.
    blind: bool,
    /// The answer that runs has told where it stands.
    told: bool,
}

impl Signer {
    /// From now on writes carry marks of `session` (not 0).
    pub(crate) fn begin(&mut self, session: u64) {
        self.session = session;
    }

    /// The connection leads to a primary whose history reaches this far.
    pub(crate) fn follow(&mut self, behind: Behind) {
        self.behind = behind;
    }

    pub(crate) fn is_on(&self) -> bool {
        self.session != 0
    }

    /// The text with a mark; `None`: it goes as it is.
    pub(crate) fn sign(&mut self, text: &[u8]) -> Option<Vec<u8>> {
        if !self.is_on() {
            return None;
        }
        let place = Tag::place(text)?;
        self.number = self.number.wrapping_add(1).max(1);
        let tag = Tag {
            session: self.session,
            number: self.number,
        };
        Some(tag.put(text, place))
    }

    /// The same, for one that was scanned.
    #[inline]
    pub(crate) fn sign_statement(&mut self, statement: Statement, text: &[u8]) -> Option<Vec<u8>> {
        let several = Marks(Marks::MULTI.0 | Marks::CUT.0);
        let signed = statement.kind == Kind::Change && !statement.marks.has(several);
        if signed { self.sign(text) } else { None }
    }

    /// Our mark in a text.
    pub(crate) fn mark(&self, text: &[u8]) -> Option<Tag> {
        Tag::find(text).filter(|tag| self.is_on() && tag.session == self.session)
    }

    /// The mark of any of this session's writes; `None` while it says nothing.
    pub(crate) fn any(&self) -> Option<Tag> {
        let session = self.session;
        (self.is_on() && !self.blind).then_some(Tag { session, number: 0 })
    }

    /// True when a mark that was used before tells which write is meant.
    pub(crate) fn sees(&self) -> bool {
        !self.blind
    }

    pub(crate) fn since(&self) -> u64 {
        self.since
    }

    /// A statement is sent; `first`: outside a transaction.
    pub(crate) fn sent(&mut self, first: bool) {
        self.told = false;
        if first {
            self.since = self.behind.sequence();
        }
    }

    /// The server's answer has an OK packet.
    pub(crate) fn answered(&mut self) {
        self.told = true;
    }

    /// The server told the session's last GTID; `None`: in words that make no sense.
    pub(crate) fn committed(&mut self, gtid: Option<Gtid>) {
        match gtid {
            Some(gtid) if gtid.domain == 0 => {
                self.behind.advance(gtid.sequence);
                self.since = self.since.max(gtid.sequence);
                self.blind = false;
            }
            _ => self.blind = true,
        }
    }

    /// A write's answer has ended without a word where it stands.
    pub(crate) fn ended(&mut self, wrote: bool) {
        self.blind |= wrote && !self.told;
    }
}
