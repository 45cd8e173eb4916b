//! What a statement is, as far as one pass over its words tells. Not a grammar: whoever asks must treat what
//! is not recognized as the worst case. `scanner.rs` is the pass, `words.rs` the words, `verdict.rs` where it may run.

use crate::catalog::Names;
use crate::scanner::Scanner;
pub use crate::verdict::{Reason, Verdict};

/// What kind of statement it is, by its first words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// SELECT, WITH, VALUES, TABLE.
    Select,
    /// SHOW, DESCRIBE, EXPLAIN: reads.
    Show,
    /// INSERT, UPDATE, DELETE, REPLACE, LOAD DATA.
    Change,
    /// CREATE, ALTER, DROP, TRUNCATE, RENAME, GRANT, REVOKE: commits implicitly.
    Definition,
    /// BEGIN, START TRANSACTION.
    Begin,
    /// COMMIT.
    Commit,
    /// ROLLBACK.
    Rollback,
    /// SET of variables.
    Set,
    /// SET NAMES, with the mark [`Marks::COLLATE`] when it names a collation.
    SetNames,
    /// SET STATEMENT … FOR: its variables hold for one statement only.
    SetStatement,
    /// SET TRANSACTION: for the next transaction only.
    SetTransaction,
    /// SET ROLE.
    SetRole,
    /// USE.
    Use,
    /// KILL; see [`crate::kill`].
    Kill,
    /// UNLOCK TABLES.
    Unlock,
    /// Everything else.
    Other,
}

/// Things seen in a statement, as a set of bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks(pub u16);

impl Marks {
    /// More than one statement.
    pub const MULTI: Marks = Marks(1);
    /// A user variable is named.
    pub const USER_VARIABLE: Marks = Marks(1 << 1);
    /// A user variable may be set (`:=`, `INTO @x`, SET, CALL, LOAD DATA).
    pub const SETS_USER_VARIABLE: Marks = Marks(1 << 2);
    /// The word TEMPORARY.
    pub const TEMPORARY: Marks = Marks(1 << 3);
    /// GET_LOCK.
    pub const NAMED_LOCK: Marks = Marks(1 << 4);
    /// LOCK TABLES, FLUSH … WITH READ LOCK, BACKUP.
    pub const TABLE_LOCK: Marks = Marks(1 << 5);
    /// PREPARE, HANDLER: objects that live in the session.
    pub const SESSION_OBJECT: Marks = Marks(1 << 6);
    /// FOUND_ROWS, ROW_COUNT: the result depends on the statement before.
    pub const LOOKS_BACK: Marks = Marks(1 << 7);
    /// A function that is not known to change nothing.
    pub const UNKNOWN_FUNCTION: Marks = Marks(1 << 8);
    /// INTO, FOR UPDATE, LOCK IN SHARE MODE, NEXT VALUE, a changing word: not a plain read.
    pub const NOT_PLAIN: Marks = Marks(1 << 9);
    /// The word COLLATE.
    pub const COLLATE: Marks = Marks(1 << 10);
    /// Not all of the text was seen.
    pub const CUT: Marks = Marks(1 << 11);
    /// DROP TEMPORARY: makes nothing that must be kept.
    pub const DROP: Marks = Marks(1 << 12);
    /// FOUND_ROWS: about the last SELECT, not only the statement before.
    pub const FOUND_ROWS: Marks = Marks(1 << 13);
    /// Says or asks what is told of the session's changes. Not seen by [`scan`]: whoever wants to know marks it.
    pub const TRACKING: Marks = Marks(1 << 14);

    /// True when any of `other` is in it.
    pub fn has(self, other: Marks) -> bool {
        self.0 & other.0 != 0
    }

    /// Adds `other`.
    pub fn add(&mut self, other: Marks) {
        self.0 |= other.0;
    }
}

/// What one pass over a statement's text found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Statement {
    /// By its first words.
    pub kind: Kind,
    /// What was seen on the way.
    pub marks: Marks,
    /// Where it may run; see [`Self::verdict`].
    pub(crate) place: Verdict,
    /// Where in the text that was decided.
    pub(crate) because_at: u32,
    /// The same for statements that differ only in numbers and strings.
    pub digest: u64,
}

impl Statement {
    /// A command that is no text: nothing is known about it.
    pub const OPAQUE: Statement = Statement {
        kind: Kind::Other,
        marks: Marks(Marks::CUT.0),
        place: Verdict::Primary(Reason::Unknown),
        because_at: 0,
        digest: 0,
    };
    /// A command that reads and changes nothing (ping, statistics).
    pub const HARMLESS: Statement = Statement {
        kind: Kind::Show,
        marks: Marks(0),
        place: Verdict::Primary(Reason::OfConnection),
        because_at: 0,
        digest: 0,
    };

    /// Where it may run. What was marked as [`Marks::CUT`] since it was scanned runs on the primary.
    /// Limit: functions that tell the time (`NOW()`) count as the same everywhere; servers' clocks differ.
    pub fn verdict(&self) -> Verdict {
        if self.marks.has(Marks::CUT) {
            return Verdict::Primary(Reason::Cut);
        }
        self.place
    }

    /// Where in the text [`Self::verdict`] was decided: the word that was met first and gave its reason.
    pub fn because_at(&self) -> usize {
        self.because_at as usize
    }

    /// True when running it twice does no harm: a read without side effects, locks or unknown functions.
    /// Limit: a view over a function that writes looks like a table, unless [`scan_with`] is told of it.
    pub fn is_plain_read(self) -> bool {
        let harm = Marks(
            Marks::MULTI.0
                | Marks::SETS_USER_VARIABLE.0
                | Marks::NAMED_LOCK.0
                | Marks::UNKNOWN_FUNCTION.0
                | Marks::NOT_PLAIN.0
                | Marks::LOOKS_BACK.0
                | Marks::CUT.0,
        );
        let of_view = matches!(self.place, Verdict::Primary(Reason::View));
        matches!(self.kind, Kind::Select | Kind::Show) && !self.marks.has(harm) && !of_view
    }

    /// True when it cannot commit a transaction that was open before it: what it did is gone with its connection.
    pub fn dies_with_its_transaction(self) -> bool {
        matches!(self.kind, Kind::Select | Kind::Show | Kind::Change)
            && !self.marks.has(Marks(Marks::MULTI.0 | Marks::CUT.0))
    }

    /// True when a refusal by `--read-only` as its first answer means that nothing of it was done: the server
    /// checks before it starts, and rolls back what a function of a read had done.
    pub fn is_refused_whole(self) -> bool {
        let whole = match self.kind {
            Kind::Change | Kind::Definition => true,
            Kind::Select | Kind::SetStatement => !self.marks.has(Marks::UNKNOWN_FUNCTION),
            _ => false,
        };
        whole && !self.marks.has(Marks(Marks::MULTI.0 | Marks::CUT.0))
    }
}

/// Looks at a statement once. `backslash` says whether backslashes escape in strings
/// (see [`crate::flags::NO_BACKSLASH_ESCAPES`]).
pub fn scan(text: &[u8], backslash: bool) -> Statement {
    Scanner::of(text, backslash, None).run()
}

/// As [`scan`], and names are looked up among those that the database says are more than plain tables.
pub fn scan_with(text: &[u8], backslash: bool, names: Names<'_>) -> Statement {
    let names = Some(names).filter(|names| !names.is_empty());
    Scanner::of(text, backslash, names).run()
}

/// As [`scan`] or [`scan_with`], and how many bytes of the text say so: all of them, or all but those of a plain number at its
/// end. A text that differs only in the digits of that number is the same.
pub fn scan_to_tail(text: &[u8], backslash: bool, names: Option<Names<'_>>) -> (Statement, usize) {
    let names = names.filter(|names| !names.is_empty());
    Scanner::of(text, backslash, names).run_to_tail()
}

/// The collation in `SET NAMES charset COLLATE collation`, when the text is exactly that.
pub fn names_collation(text: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(text)
        .ok()?
        .trim()
        .trim_end_matches(';')
        .trim_end();
    let mut words = text.split_ascii_whitespace();
    let head = [words.next()?, words.next()?];
    let _charset = words.next()?;
    let collate = words.next()?;
    let name = words.next()?.trim_matches(['\'', '"']);
    let plain = name
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    let shape = head[0].eq_ignore_ascii_case("set")
        && head[1].eq_ignore_ascii_case("names")
        && collate.eq_ignore_ascii_case("collate")
        && words.next().is_none();
    (shape && plain && !name.is_empty()).then_some(name)
}

#[cfg(test)]
#[path = "statement_tests.rs"]
mod tests;
