//! What a statement is, as far as one pass over its words tells. Not a grammar: whoever asks must treat what
//! is not recognized as the worst case. See `functions.rs` for the functions known to change nothing.

use crate::functions;

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
}

impl Statement {
    /// A command that is no text: nothing is known about it.
    pub const OPAQUE: Statement = Statement {
        kind: Kind::Other,
        marks: Marks(Marks::CUT.0),
    };
    /// A command that reads and changes nothing (ping, statistics).
    pub const HARMLESS: Statement = Statement {
        kind: Kind::Show,
        marks: Marks(0),
    };

    /// True when running it twice does no harm: a read without side effects, locks or unknown functions.
    /// Limit: a view over a function that writes looks like a table.
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
        matches!(self.kind, Kind::Select | Kind::Show) && !self.marks.has(harm)
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
    let mut scanner = Scanner {
        text,
        at: 0,
        backslash,
        words: 0,
        kind: Kind::Other,
        marks: Marks(0),
        ended: false,
        load: false,
        flush: false,
    };
    scanner.run();
    Statement {
        kind: scanner.kind,
        marks: scanner.marks,
    }
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

struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    backslash: bool,
    words: u32,
    kind: Kind,
    marks: Marks,
    ended: bool,
    load: bool,
    flush: bool,
}

impl<'a> Scanner<'a> {
    fn run(&mut self) {
        while let Some(&byte) = self.text.get(self.at) {
            match byte {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'\'' | b'"' | b'`' => self.quoted(byte),
                b'#' => self.line(),
                b'-' if self.is_dash_comment() => self.line(),
                b'/' if self.next_is(b'*') => self.comment(),
                b'*' if self.next_is(b'/') => self.at += 2,
                b';' => {
                    self.ended = true;
                    self.at += 1;
                }
                _ => {
                    // Why: anything after a semicolon that is no comment is another statement.
                    if self.ended {
                        self.marks.add(Marks::MULTI);
                    }
                    self.symbol(byte);
                }
            }
        }
    }

    fn symbol(&mut self, byte: u8) {
        match byte {
            b'@' => self.variable(),
            b':' if self.next_is(b'=') => {
                self.at += 2;
                self.marks.add(Marks::SETS_USER_VARIABLE);
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | 0x80.. => self.word(),
            b'0'..=b'9' => {
                self.take_word();
            }
            _ => self.at += 1,
        }
    }

    fn next_is(&self, byte: u8) -> bool {
        self.text.get(self.at + 1) == Some(&byte)
    }

    fn is_dash_comment(&self) -> bool {
        self.next_is(b'-')
            && self
                .text
                .get(self.at + 2)
                .is_none_or(u8::is_ascii_whitespace)
    }

    fn line(&mut self) {
        while self.text.get(self.at).is_some_and(|byte| *byte != b'\n') {
            self.at += 1;
        }
    }

    fn comment(&mut self) {
        self.at += 2;
        let rest = &self.text[self.at..];
        let mark = match rest {
            [b'!', ..] => 1,
            [b'M', b'!', ..] => 2,
            _ => 0,
        };
        if mark > 0 {
            // Why: the server runs what stands in such a comment.
            self.at += mark;
            while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
                self.at += 1;
            }
            return;
        }
        let end = rest.windows(2).position(|pair| pair == b"*/");
        self.at = end.map_or(self.text.len(), |end| self.at + end + 2);
    }

    fn quoted(&mut self, quote: u8) {
        if self.ended {
            self.marks.add(Marks::MULTI);
        }
        self.at += 1;
        while let Some(&byte) = self.text.get(self.at) {
            self.at += 1;
            if byte == b'\\' && self.backslash && quote != b'`' {
                self.at = self.text.len().min(self.at + 1);
            } else if byte == quote {
                if self.text.get(self.at) == Some(&quote) {
                    self.at += 1;
                } else {
                    break;
                }
            }
        }
        if quote != b'\'' && self.followed_by_parenthesis() {
            self.marks.add(Marks::UNKNOWN_FUNCTION);
        }
    }

    fn variable(&mut self) {
        self.at += 1;
        if self.text.get(self.at) == Some(&b'@') {
            self.at += 1;
            self.take_word();
            return;
        }
        // Why: `user`@`host` in GRANT is no variable, and the mark does no harm there.
        self.marks.add(Marks::USER_VARIABLE);
        if !matches!(
            self.kind,
            Kind::Select | Kind::Show | Kind::Change | Kind::Definition
        ) {
            self.marks.add(Marks::SETS_USER_VARIABLE);
        }
        if self.marks.has(Marks::NOT_PLAIN) && self.kind == Kind::Select {
            self.marks.add(Marks::SETS_USER_VARIABLE);
        }
        self.take_word();
    }

    fn take_word(&mut self) -> &'a [u8] {
        let start = self.at;
        while self.text.get(self.at).is_some_and(|byte| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)
        }) {
            self.at += 1;
        }
        &self.text[start..self.at]
    }

    fn followed_by_parenthesis(&self) -> bool {
        let rest = &self.text[self.at..];
        rest.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'(')
    }

    fn word(&mut self) {
        let after_dot = self.at > 0 && self.text[self.at - 1] == b'.';
        let word = self.take_word();
        let mut lower = [0; 24];
        let Some(lower) = lower.get_mut(..word.len()) else {
            self.words += 1;
            if self.followed_by_parenthesis() {
                self.marks.add(Marks::UNKNOWN_FUNCTION);
            }
            return;
        };
        lower.copy_from_slice(word);
        lower.make_ascii_lowercase();
        if self.words == 0 {
            self.first(lower);
        } else if self.words == 1 && !after_dot {
            self.second(lower);
        }
        self.words += 1;
        if !after_dot {
            self.later(lower);
        }
        if self.followed_by_parenthesis() && (after_dot || !functions::is_harmless(lower)) {
            self.marks.add(Marks::UNKNOWN_FUNCTION);
        }
    }

    fn first(&mut self, word: &[u8]) {
        self.kind = match word {
            b"select" | b"with" | b"values" | b"table" => Kind::Select,
            b"show" | b"describe" | b"desc" | b"explain" => Kind::Show,
            b"insert" | b"update" | b"delete" | b"replace" | b"load" => Kind::Change,
            b"create" | b"alter" | b"drop" | b"truncate" | b"rename" | b"grant" | b"revoke" => {
                Kind::Definition
            }
            b"begin" | b"start" => Kind::Begin,
            b"commit" => Kind::Commit,
            b"rollback" => Kind::Rollback,
            b"set" => Kind::Set,
            b"use" => Kind::Use,
            b"kill" => Kind::Kill,
            b"unlock" => Kind::Unlock,
            _ => Kind::Other,
        };
        match word {
            b"prepare" | b"handler" | b"execute" => self.marks.add(Marks::SESSION_OBJECT),
            b"lock" | b"backup" => self.marks.add(Marks::TABLE_LOCK),
            b"load" => self.load = true,
            b"flush" => self.flush = true,
            b"drop" => self.marks.add(Marks::DROP),
            _ => {}
        }
    }

    fn second(&mut self, word: &[u8]) {
        self.kind = match (self.kind, word) {
            (Kind::Set, b"names") => Kind::SetNames,
            (Kind::Set, b"statement") => Kind::SetStatement,
            (Kind::Set, b"transaction") => Kind::SetTransaction,
            (Kind::Set, b"role") => Kind::SetRole,
            (Kind::Begin, b"not") => Kind::Other,
            // Why: START SLAVE and the like are no transactions.
            (Kind::Begin, word) if word != b"work" && word != b"transaction" => Kind::Other,
            (kind, _) => kind,
        };
    }

    fn later(&mut self, word: &[u8]) {
        let mark = match word {
            b"into" | b"share" | b"next" | b"previous" | b"procedure" | b"outfile"
            | b"dumpfile" | b"analyze" => Marks::NOT_PLAIN,
            b"update" | b"insert" | b"delete" | b"replace" | b"returning"
                if !self.followed_by_parenthesis() =>
            {
                Marks::NOT_PLAIN
            }
            b"temporary" => Marks::TEMPORARY,
            b"lock" | b"export" if self.flush => Marks::TABLE_LOCK,
            b"get_lock" => Marks::NAMED_LOCK,
            b"found_rows" | b"row_count" => Marks::LOOKS_BACK,
            b"warnings" | b"errors" | b"diagnostics" if self.words <= 2 => Marks::LOOKS_BACK,
            b"collate" => Marks::COLLATE,
            _ => return,
        };
        self.marks.add(mark);
    }
}

#[cfg(test)]
#[path = "statement_tests.rs"]
mod tests;
