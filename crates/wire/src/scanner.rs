//! The one pass over a statement's words: comments and strings are stepped over, words leave marks, and the first thing
//! that ties the statement to the primary is kept. `lexeme.rs` finds ends, `words.rs` knows words;
//! `word.rs` what they mean wherever they stand, `opening.rs` the first ones, `quote.rs`, `number.rs` and `variable.rs`
//! what begins with a quote, a digit or an `@`.
//!
//! Whatever a server may read in another way than this is marked as such, rather than followed: nothing here asks for
//! a version, a character set or a `sql_mode` beyond backslashes.

mod number;
mod opening;
mod quote;
mod variable;
mod word;

use crate::catalog::Names;
use crate::lexeme::Class;
use crate::statement::{Kind, Marks, Reason, Statement, Verdict};
use crate::words::Call;

/// What stood before, as far as a parenthesis or a dot after it matters.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// Nothing that does.
    Other,
    /// A name or a word, with what a call of it means.
    Word(Call),
    /// A dot after a name.
    Dot,
}

/// What a word said that the next token confirms or takes back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pending {
    Nothing,
    /// Not a plain read unless a parenthesis follows.
    UnlessCalled(Reason),
    /// Tables of each server's own if a dot follows.
    IfDot,
}

/// How far a SHOW is known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Show {
    /// It is none, or its words say no more.
    No,
    /// SHOW, SHOW FULL.
    Begun,
    /// SHOW COUNT.
    Counts,
    /// SHOW WARNINGS, SHOW COUNT(*) ERRORS.
    LooksBack,
}

/// Where it stands in the text, and what it has seen.
pub(crate) struct Scanner<'a> {
    text: &'a [u8],
    at: usize,
    backslash: bool,
    names: Option<Names<'a>>,
    words: u32,
    kind: Kind,
    marks: Marks,
    before: Before,
    pending: Pending,
    /// Hash of the last name, and of the one before the last dot.
    name: u64,
    qualifier: u64,
    digest: u64,
    /// What FOUND_ROWS or ROW_COUNT asks for, if it is called.
    asks: Marks,
    /// Words FROM so far that no DUAL follows, and where the last one stood.
    sources: u32,
    source: u32,
    reason: Option<Reason>,
    reason_at: usize,
    /// Why a statement of its kind runs on the primary.
    of_kind: Option<Reason>,
    kind_at: usize,
    ended: bool,
    load: bool,
    flush: bool,
    show: Show,
    describe: bool,
    executable: bool,
    /// Where the text ends, or the plain number at its end begins.
    tail: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn of(text: &'a [u8], backslash: bool, names: Option<Names<'a>>) -> Self {
        Self {
            text,
            at: 0,
            backslash,
            names,
            words: 0,
            kind: Kind::Other,
            marks: Marks(0),
            before: Before::Other,
            pending: Pending::Nothing,
            name: 0,
            qualifier: 0,
            digest: 0,
            asks: Marks(0),
            sources: 0,
            source: 0,
            reason: None,
            reason_at: 0,
            of_kind: Some(Reason::Unknown),
            kind_at: 0,
            ended: false,
            load: false,
            flush: false,
            show: Show::No,
            describe: false,
            executable: false,
            tail: text.len(),
        }
    }

    /// The whole text once.
    pub(crate) fn run(self) -> Statement {
        self.run_to_tail().0
    }

    /// The same, and how much of the text says so: all of it, or all but a number at its end.
    pub(crate) fn run_to_tail(mut self) -> (Statement, usize) {
        while let Some(&byte) = self.text.get(self.at) {
            match Class::of(byte) {
                Class::Space => self.at += 1,
                Class::Word => self.word(),
                Class::Digit => self.number(),
                Class::String => self.string(byte),
                Class::Name => self.quoted_name(),
                Class::Hash => self.line(),
                Class::Dash => self.dash(),
                Class::Slash if self.next_is(b'*') => self.comment(),
                Class::Star if self.next_is(b'/') => {
                    self.executable = false;
                    self.at += 2;
                }
                Class::Plain | Class::Slash | Class::Star => self.token(),
                Class::Semicolon => self.semicolon(),
                Class::Parenthesis => self.parenthesis(),
                Class::Dot => self.dot(),
                Class::At => self.variable(),
                Class::Colon => self.colon(),
                Class::High => {
                    // Why: a letter, a space or half a character, as the character set has it.
                    self.token();
                    self.tie(Reason::Quoting);
                }
            }
        }
        self.settle();
        (self.statement(), self.tail)
    }

    fn statement(&self) -> Statement {
        let is_read = matches!(self.kind, Kind::Select | Kind::Show);
        let mut because_at = self.reason_at;
        let place = if self.marks.has(Marks::MULTI) {
            Verdict::Primary(Reason::Several)
        } else if let Some(reason) = self.of_kind.filter(|_| !self.looks_back_only()) {
            because_at = self.kind_at;
            Verdict::Primary(reason)
        } else if let Some(reason) = self.reason {
            Verdict::Primary(reason)
        } else if self.marks.has(Marks::NOT_PLAIN) || !is_read {
            Verdict::Primary(Reason::Unknown)
        } else if self.marks.has(Marks::LOOKS_BACK) && self.sources > 0 {
            Verdict::Primary(Reason::Past)
        } else if self.marks.has(Marks::LOOKS_BACK) {
            Verdict::Follows
        } else {
            Verdict::Anywhere
        };
        Statement {
            kind: self.kind,
            marks: self.marks,
            place,
            because_at: u32::try_from(because_at).unwrap_or(u32::MAX),
            digest: self.digest,
        }
    }

    /// SHOW WARNINGS and the like: no kind of their own, but nothing else either.
    fn looks_back_only(&self) -> bool {
        self.show == Show::LooksBack
    }

    fn next_is(&self, byte: u8) -> bool {
        self.text.get(self.at + 1) == Some(&byte)
    }

    /// It must run on the primary; the first reason is kept.
    #[cold]
    fn tie(&mut self, reason: Reason) {
        if self.reason.is_none() {
            self.reason = Some(reason);
            self.reason_at = self.at;
        }
    }

    /// Something stands here that is neither space nor comment.
    #[inline]
    fn begins(&mut self) {
        // Why: anything after a semicolon that is no comment is another statement.
        if self.ended {
            self.marks.add(Marks::MULTI);
        }
        if self.pending != Pending::Nothing {
            self.settle();
        }
    }

    /// A token came that takes nothing back.
    fn settle(&mut self) {
        if let Pending::UnlessCalled(reason) =
            std::mem::replace(&mut self.pending, Pending::Nothing)
        {
            self.marks.add(Marks::NOT_PLAIN);
            self.tie(reason);
        }
    }

    /// One byte that means nothing here.
    fn token(&mut self) {
        self.begins();
        self.before = Before::Other;
        self.at += 1;
    }

    fn semicolon(&mut self) {
        self.settle();
        self.before = Before::Other;
        self.ended = true;
        self.at += 1;
    }

    fn parenthesis(&mut self) {
        self.pending = Pending::Nothing;
        self.begins();
        if let Before::Word(call) = self.before {
            match call {
                Call::Pure => {}
                Call::LooksBack => self.marks.add(self.asks),
                Call::Here(reason) => self.tie(reason),
                Call::Special(reason) => self.unknown_function(reason),
                Call::Unknown => self.unknown_function(Reason::UnknownFunction),
            }
        }
        self.before = Before::Other;
        self.at += 1;
    }

    #[cold]
    fn unknown_function(&mut self, reason: Reason) {
        self.marks.add(Marks::UNKNOWN_FUNCTION);
        self.tie(reason);
    }

    fn dot(&mut self) {
        if self.pending == Pending::IfDot {
            self.pending = Pending::Nothing;
            self.tie(Reason::OwnTables);
        }
        self.begins();
        // Why: right behind a name the dot belongs to it; after a space digits make it a number.
        let behind = self.at.checked_sub(1).map(|at| Class::of(self.text[at]));
        let glued = matches!(
            behind,
            Some(Class::Word | Class::Digit | Class::Name | Class::String)
        );
        self.at += 1;
        let digit = self.text.get(self.at).is_some_and(u8::is_ascii_digit);
        if matches!(self.before, Before::Word(_)) && (glued || !digit) {
            self.qualifier = self.name;
            self.before = Before::Dot;
        } else if digit {
            self.fraction();
        } else {
            self.before = Before::Other;
        }
    }

    fn colon(&mut self) {
        self.begins();
        self.before = Before::Other;
        self.at += 1;
        if self.text.get(self.at) == Some(&b'=') {
            self.at += 1;
            self.marks.add(Marks::SETS_USER_VARIABLE);
            self.tie(Reason::UserVariable);
        }
    }

    fn line(&mut self) {
        let rest = &self.text[self.at..];
        let end = rest.iter().position(|byte| *byte == b'\n');
        self.at = end.map_or(self.text.len(), |end| self.at + end);
    }

    fn dash(&mut self) {
        if !self.next_is(b'-') {
            return self.token();
        }
        match self.text.get(self.at + 2) {
            None | Some(0..=b' ' | 0x7f) => self.line(),
            Some(0x80..) => {
                // Why: a space in some character sets.
                self.token();
                self.tie(Reason::Quoting);
            }
            Some(_) => self.token(),
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
        if self.executable {
            self.marks.add(Marks::NOT_PLAIN);
        }
        if mark > 0 {
            // Why: the server runs what stands in such a comment, or not, as its version is.
            self.tie(Reason::ExecutableComment);
            self.executable = true;
            self.at += mark;
            while self.text.get(self.at).is_some_and(u8::is_ascii_digit) {
                self.at += 1;
            }
            return;
        }
        let end = rest.windows(2).position(|pair| pair == b"*/");
        if end.is_none() {
            self.tie(Reason::Quoting);
        }
        self.at = end.map_or(self.text.len(), |end| self.at + end + 2);
    }
}
