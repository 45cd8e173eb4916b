//! What a connection for reads refuses before a server sees it: whatever writes, locks what replication must change, or
//! takes the connection's own protection off. A second pass over the words, for such connections only.
//!
//! Whatever is not known to read is refused. What it lets through a server may still refuse: stored functions that write
//! look like any other. A comment that only some versions run counts as text.

use crate::lexeme::{self, Class};

/// Why a statement does not belong on a connection for reads, after "because".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotARead {
    /// It changes data or definitions.
    Writes,
    /// It locks rows or tables.
    Locks,
    /// GET_LOCK and the like: of one server only.
    NamedLock,
    /// What it runs is not in its text.
    Hidden,
    /// It makes the connection one for writes.
    OpensUp,
    /// It changes the server, or replication.
    Administers,
    /// It writes a file on the server.
    WritesFile,
    /// It is not known to be a read.
    Unknown,
}

impl NotARead {
    /// In words, after "because".
    pub fn words(self) -> &'static str {
        match self {
            Self::Writes => "it writes",
            Self::Locks => "it locks what replication may have to change",
            Self::NamedLock => "a named lock holds on one server only",
            Self::Hidden => "what it runs cannot be seen in its text",
            Self::OpensUp => "it would let the connection write",
            Self::Administers => "it changes the server's settings or replication",
            Self::WritesFile => "it writes a file on the server",
            Self::Unknown => "it is not known to be a read",
        }
    }
}

/// Why `text` is refused on a connection for reads; `None`: it may be sent. `temporary`: the session has made temporary
/// tables, so that changes may be meant for these; the server knows.
pub fn refusal(text: &[u8], backslash: bool, temporary: bool) -> Option<NotARead> {
    let has = |mark: &[u8]| text.windows(mark.len()).any(|part| part == mark);
    let has_versions = has(b"/*!") || has(b"/*M!");
    let readings: &[Reading] = if has_versions {
        &[Reading::All, Reading::Usual, Reading::Unmarked]
    } else {
        &[Reading::All]
    };
    readings.iter().find_map(|reading| {
        let tokens = tokens(text, backslash, *reading);
        let mut statements = tokens.split(|token| *token == Token::End);
        statements.find_map(|statement| of_statement(statement, temporary))
    })
}

/// How comments that some versions run are read: what is a read in one way only is none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// All as text.
    All,
    /// As MariaDB 10.6 reads them: also no newer `/*!50700` to `/*!99999`.
    Usual,
    /// Those with a number are skipped.
    Unmarked,
}

/// What matters of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a [u8]),
    /// A quoted name, or a string that is one under ANSI_QUOTES.
    Name(&'a [u8]),
    /// A number, a string.
    Value,
    /// One byte of the rest.
    Sign(u8),
    /// A semicolon.
    End,
}

impl Token<'_> {
    fn is(&self, word: &str) -> bool {
        matches!(self, Self::Word(found) if found.eq_ignore_ascii_case(word.as_bytes()))
    }

    fn is_one_of(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is(word))
    }

    /// The same for what may be quoted.
    fn names_one_of(&self, words: &[&str]) -> bool {
        match *self {
            Self::Name(name) => Token::Word(name).is_one_of(words),
            _ => self.is_one_of(words),
        }
    }
}

fn tokens(text: &[u8], backslash: bool, reading: Reading) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let next = text.get(at + 1).copied();
        match Class::of(byte) {
            Class::Space => at += 1,
            Class::Word | Class::High | Class::Digit => {
                let (end, _) = lexeme::word(text, at);
                tokens.push(Token::Word(&text[at..end]));
                at = end.max(at + 1);
            }
            Class::String | Class::Name => {
                let escapes = backslash && byte != b'`';
                let end = lexeme::quoted(text, at + 1, byte, escapes).unwrap_or(text.len());
                tokens.push(match text.get(at + 1..end - 1) {
                    Some(name) if byte != b'\'' => Token::Name(name),
                    _ => Token::Value,
                });
                at = end;
            }
            Class::Hash => at = line(text, at),
            Class::Dash if next == Some(b'-') && is_gap(text.get(at + 2)) => at = line(text, at),
            Class::Slash if next == Some(b'*') => {
                let skips = is_skipped(&text[at + 2..], reading);
                at = if skips {
                    plain_comment(text, at)
                } else {
                    comment(text, at)
                };
            }
            Class::Star if next == Some(b'/') => at += 2,
            Class::Semicolon => {
                tokens.push(Token::End);
                at += 1;
            }
            _ => {
                tokens.push(Token::Sign(byte));
                at += 1;
            }
        }
    }
    tokens
}

pub(crate) fn is_gap(byte: Option<&u8>) -> bool {
    byte.is_none_or(|byte| *byte <= b' ')
}

pub(crate) fn line(text: &[u8], at: usize) -> usize {
    let end = text[at..].iter().position(|byte| *byte == b'\n');
    end.map_or(text.len(), |end| at + end)
}

/// Behind a comment; of one that some versions run, behind what begins it.
pub(crate) fn comment(text: &[u8], at: usize) -> usize {
    let rest = &text[at + 2..];
    let marked = match rest {
        [b'!', ..] => Some(1),
        [b'M', b'!', ..] => Some(2),
        _ => None,
    };
    if let Some(mark) = marked {
        let digits = rest[mark..].iter().take_while(|byte| byte.is_ascii_digit());
        return at + 2 + mark + digits.count();
    }
    plain_comment(text, at)
}

fn plain_comment(text: &[u8], at: usize) -> usize {
    let end = text[at + 2..].windows(2).position(|two| two == b"*/");
    end.map_or(text.len(), |end| at + 2 + end + 2)
}

/// `inside`: behind what begins a comment.
fn is_skipped(inside: &[u8], reading: Reading) -> bool {
    let (of_all, digits) = match inside {
        [b'!', digits @ ..] => (true, digits),
        [b'M', b'!', digits @ ..] => (false, digits),
        _ => return false,
    };
    let digits: Vec<u32> = digits
        .iter()
        .take(6)
        .take_while(|digit| digit.is_ascii_digit())
        .map(|digit| u32::from(digit - b'0'))
        .collect();
    let version = digits.iter().fold(0, |number, digit| number * 10 + digit);
    match reading {
        Reading::All => false,
        Reading::Unmarked => digits.len() >= 5,
        Reading::Usual => {
            digits.len() >= 5
                && (version > 100_600 || (of_all && (50_700..100_000).contains(&version)))
        }
    }
}

fn of_statement(tokens: &[Token<'_>], temporary: bool) -> Option<NotARead> {
    let opens = tokens
        .iter()
        .take_while(|token| **token == Token::Sign(b'('))
        .count();
    let tokens = &tokens[opens..];
    let first = tokens.first()?;
    let second = tokens.get(1).copied().unwrap_or(Token::Value);
    let refused = match first {
        Token::Word(_) => of_verb(first, second, temporary),
        _ => Some(NotARead::Unknown),
    };
    refused.or_else(|| {
        if first.is("set") {
            of_set(tokens, temporary)
        } else {
            of_words(tokens)
        }
    })
}

/// What reads, or belongs to reading.
const READS: [&str; 22] = [
    "select",
    "with",
    "values",
    "table",
    "show",
    "desc",
    "describe",
    "explain",
    "help",
    "do",
    "use",
    "commit",
    "rollback",
    "savepoint",
    "release",
    "set",
    "kill",
    "unlock",
    "checksum",
    "get",
    "deallocate",
    "handler",
];
/// What changes data or definitions; of some of these only what is not temporary.
const WRITES: [&str; 13] = [
    "create", "drop", "alter", "truncate", "rename", "grant", "revoke", "load", "optimize",
    "repair", "check", "import", "call",
];
/// What changes rows.
const CHANGES: [&str; 4] = ["insert", "update", "delete", "replace"];
/// What changes the server or its replication.
const ADMINISTERS: [&str; 11] = [
    "stop",
    "reset",
    "change",
    "purge",
    "flush",
    "install",
    "uninstall",
    "shutdown",
    "binlog",
    "cache",
    "backup",
];

/// By its first two words.
fn of_verb(first: &Token<'_>, second: Token<'_>, temporary: bool) -> Option<NotARead> {
    if first.is_one_of(&READS) {
        return None;
    }
    let of_temporary = second.is("temporary") || (first.is("create") && second.is("or"));
    if first.is_one_of(&["create", "drop"]) && of_temporary {
        // `CREATE OR REPLACE …` is looked at further.
        return None;
    }
    if first.is("begin") {
        let plain = second == Token::Value || second.is("work");
        return (!plain).then_some(NotARead::Hidden);
    }
    if first.is("start") {
        return (!second.is("transaction")).then_some(NotARead::Administers);
    }
    if first.is("analyze") {
        let runs = second.is_one_of(&["select", "with", "values", "format"]);
        return (!runs && second != Token::Sign(b'(')).then_some(NotARead::Writes);
    }
    if first.is_one_of(&CHANGES) {
        return (!temporary).then_some(NotARead::Writes);
    }
    Some(if first.is("lock") {
        NotARead::Locks
    } else if first.is_one_of(&["prepare", "execute"]) {
        NotARead::Hidden
    } else if first.is_one_of(&WRITES) {
        NotARead::Writes
    } else if first.is_one_of(&ADMINISTERS) {
        NotARead::Administers
    } else {
        NotARead::Unknown
    })
}

fn of_set(tokens: &[Token<'_>], temporary: bool) -> Option<NotARead> {
    let second = tokens.get(1)?;
    if second.is_one_of(&["password", "default"]) {
        return Some(NotARead::Writes);
    }
    if let Some(refused) = of_words(tokens) {
        return Some(refused);
    }
    let unlocks = ["tx_read_only", "transaction_read_only"];
    if tokens.iter().any(|token| token.names_one_of(&unlocks)) {
        return Some(NotARead::OpensUp);
    }
    // Behind SET, a comma, or these with `@@`.
    let mut before = Token::Value;
    let mut depth = 0_u32;
    for token in tokens {
        match token {
            Token::Sign(b'@') => continue,
            Token::Sign(b'(') => depth += 1,
            Token::Sign(b')') => depth = depth.saturating_sub(1),
            token if token.is("global") => {
                let assigns = before.is("set") || before == Token::Sign(b',');
                if assigns && depth == 0 {
                    return Some(NotARead::Administers);
                }
            }
            _ => {}
        }
        before = *token;
    }
    if second.is("statement") {
        let at = tokens.iter().position(|token| token.is("for"))?;
        return of_statement(&tokens[at + 1..], temporary);
    }
    None
}

/// By what stands in it.
fn of_words(tokens: &[Token<'_>]) -> Option<NotARead> {
    let is_create = tokens.first().is_some_and(|first| first.is("create"));
    if is_create && tokens.get(1).is_some_and(|second| second.is("or")) {
        let temporary = tokens.get(3).is_some_and(|word| word.is("temporary"));
        if !temporary {
            return Some(NotARead::Writes);
        }
    }
    let is_show = tokens
        .first()
        .is_some_and(|first| first.is_one_of(&["show", "desc", "describe", "explain", "help"]));
    if is_show {
        return None;
    }
    tokens.iter().enumerate().find_map(|(at, token)| {
        let Token::Word(_) = token else { return None };
        let next = tokens.get(at + 1).copied().unwrap_or(Token::Value);
        let called = next == Token::Sign(b'(');
        if token.is("for") && next.is("update")
            || token.is("lock") && next.is("in")
            || token.is("for") && next.is("share")
            || token.is("serializable")
        {
            Some(NotARead::Locks)
        } else if token.is("read") && next.is("write") {
            Some(NotARead::OpensUp)
        } else if token.is("into") && next.is_one_of(&["outfile", "dumpfile"]) {
            Some(NotARead::WritesFile)
        } else if token.is("get_lock") && called {
            Some(NotARead::NamedLock)
        } else if token.is_one_of(&["nextval", "setval"]) && called
            || token.is("next") && next.is("value")
        {
            Some(NotARead::Writes)
        } else {
            None
        }
    })
}

#[cfg(test)]
#[path = "read_only_tests.rs"]
mod tests;
