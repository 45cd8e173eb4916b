//! The one pass over a statement's words: comments and strings are stepped over, words leave marks.

use crate::functions;
use crate::statement::{Kind, Marks, Statement};

/// Where it stands in the text, and what it has seen.
pub(crate) struct Scanner<'a> {
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
    pub(crate) fn of(text: &'a [u8], backslash: bool) -> Self {
        Self {
            text,
            at: 0,
            backslash,
            words: 0,
            kind: Kind::Other,
            marks: Marks(0),
            ended: false,
            load: false,
            flush: false,
        }
    }

    /// The whole text once.
    pub(crate) fn run(mut self) -> Statement {
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
        Statement {
            kind: self.kind,
            marks: self.marks,
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
