//! The mark of a session in its writes: one short comment behind a statement's first word. The server copies the text into
//! its binlog (Annotate_rows) and so do its replicas, so that a write in flight can be looked up on the next primary.
//!
//! Behind the first word and not at the end: nothing that a text may end in (a semicolon, a comment, an open string)
//! can swallow it or be changed by it, and a reader of the binlog needs only the first bytes of a long text.

use std::fmt;
use std::str::FromStr;

/// What a mark begins with.
const BEGIN: &[u8] = b"/*m:";
/// A first word that begins later than this gets no mark.
const PLACE_LIMIT: usize = 512;
/// A mark begins before this.
const FIND_LIMIT: usize = PLACE_LIMIT + 16;
/// Longest mark: 16 digits, a dash and 8 digits within `/*m:` and `*/`.
const MAX: usize = 31;

/// How many bytes of a text [`Tag::find`] looks at.
pub const HEAD: usize = FIND_LIMIT + MAX;

/// Marks writes of one session; `number` tells its statements and transactions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag {
    /// Random, one for each session.
    pub session: u64,
    /// Counts within it.
    pub number: u32,
}

/// Text that is no tag.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a tag (expected two hexadecimal numbers with a dash between them)")]
pub struct NotATag;

impl Tag {
    /// Where a mark goes into this statement: behind its first word, when that is INSERT, UPDATE, DELETE or REPLACE
    /// and stands in the open. `None`: the statement is not marked.
    pub fn place(text: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            let rest = text.get(at..).filter(|_| at < PLACE_LIMIT)?;
            match rest {
                [b' ' | b'\t' | b'\n' | b'\r', ..] => at += 1,
                // Why: the server runs what stands in such a comment.
                [b'/', b'*', b'!', ..] | [b'/', b'*', b'M', b'!', ..] => return None,
                [b'/', b'*', ..] => {
                    at += 4 + rest.get(2..)?.windows(2).position(|two| two == b"*/")?;
                }
                _ => break,
            }
        }
        let rest = &text[at..];
        let length = rest.iter().take(8).position(u8::is_ascii_whitespace)?;
        let word = &rest[..length];
        let marked: [&[u8]; 4] = [b"insert", b"update", b"delete", b"replace"];
        let is_marked = marked.iter().any(|verb| word.eq_ignore_ascii_case(verb));
        let mut words = rest[length..].split(u8::is_ascii_whitespace);
        let second = words.find(|word| !word.is_empty()).unwrap_or_default();
        // Why: a delayed row is written later, by another session, without the text (10.11.19).
        let is_delayed = second.eq_ignore_ascii_case(b"delayed");
        // Why: of two marks the first counts.
        let has_one = text[..at].windows(BEGIN.len()).any(|part| part == BEGIN);
        (is_marked && !is_delayed && !has_one).then_some(at + length)
    }

    /// The statement with this mark at the place found.
    pub fn put(self, text: &[u8], place: usize) -> Vec<u8> {
        let mark = format!("/*m:{self}*/");
        let (before, after) = text.split_at(place.min(text.len()));
        [before, mark.as_bytes(), after].concat()
    }

    /// The mark in the first bytes of a text.
    pub fn find(text: &[u8]) -> Option<Self> {
        let head = &text[..text.len().min(HEAD)];
        let begin = head.windows(BEGIN.len()).position(|part| part == BEGIN)?;
        let rest = &head[begin + BEGIN.len()..];
        let end = rest.windows(2).position(|two| two == b"*/")?;
        Self::read(&rest[..end])
    }

    /// The tag that is written so. Why by hand: the gateway reads one with each write.
    fn read(text: &[u8]) -> Option<Self> {
        let dash = text.iter().position(|byte| *byte == b'-')?;
        let number = hexadecimal(&text[dash + 1..])?;
        Some(Self {
            session: hexadecimal(&text[..dash])?,
            number: number.try_into().ok()?,
        })
    }
}

/// A number in its one spelling: no signs, capitals or leading zeros.
fn hexadecimal(digits: &[u8]) -> Option<u64> {
    let is_plain = digits == b"0" || matches!(digits, [first, ..] if *first != b'0');
    if !is_plain || digits.len() > 16 {
        return None;
    }
    digits.iter().try_fold(0, |sum, digit| match digit {
        b'0'..=b'9' => Some(sum << 4 | u64::from(digit - b'0')),
        b'a'..=b'f' => Some(sum << 4 | u64::from(digit - b'a' + 10)),
        _ => None,
    })
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.session, self.number)
    }
}

impl FromStr for Tag {
    type Err = NotATag;

    fn from_str(text: &str) -> Result<Self, NotATag> {
        Self::read(text.as_bytes()).ok_or(NotATag)
    }
}

impl serde::Serialize for Tag {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Tag {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TAG: Tag = Tag {
        session: 0xab12,
        number: 0x1f,
    };

    fn marked(text: &str) -> Option<String> {
        let place = Tag::place(text.as_bytes())?;
        Some(String::from_utf8(TAG.put(text.as_bytes(), place)).unwrap())
    }

    #[test]
    fn a_write_when_marked_has_the_mark_behind_its_first_word() {
        for (text, expected) in [
            (
                "INSERT INTO t VALUES (1);",
                "INSERT/*m:ab12-1f*/ INTO t VALUES (1);",
            ),
            (
                "  /* app */\n update t set a=1 -- end",
                "  /* app */\n update/*m:ab12-1f*/ t set a=1 -- end",
            ),
            ("Delete\tFROM t", "Delete/*m:ab12-1f*/\tFROM t"),
            (
                "REPLACE t VALUES ('/*m:1-1*/')",
                "REPLACE/*m:ab12-1f*/ t VALUES ('/*m:1-1*/')",
            ),
        ] {
            assert_eq!(marked(text).as_deref(), Some(expected));
            assert_eq!(Tag::find(expected.as_bytes()), Some(TAG));
        }
    }

    #[test]
    fn what_is_no_plain_write_when_looked_at_gets_no_mark() {
        for text in [
            "",
            "INSERT",
            "SELECT 1",
            "CALL p()",
            "/*!50000 INSERT */ INTO t VALUES (1)",
            "/*M!100000 INSERT */ INTO t VALUES (1)",
            "/* open INSERT INTO t",
            "-- line\nINSERT INTO t VALUES (1)",
            "INSERT DELAYED INTO t VALUES (1)",
            "INSERTED INTO t",
            "/* /*m:1-1*/ INSERT INTO t VALUES (1)",
            "LOAD DATA INFILE 'x' INTO TABLE t",
            "SET STATEMENT max_statement_time=1 FOR INSERT INTO t VALUES (1)",
        ] {
            assert_eq!(marked(text), None, "{text}");
        }
        let late = format!("{}INSERT INTO t VALUES (1)", " ".repeat(PLACE_LIMIT));
        assert_eq!(marked(&late), None);
    }

    #[test]
    fn a_tag_when_spelled_otherwise_is_none() {
        for text in [
            "1-",
            "-1",
            "+1-1",
            "01-1",
            "A-1",
            "1-1-1",
            "11111111111111111-1",
            "1-100000000",
            "1-00",
            "1-g",
            "",
        ] {
            assert_eq!(text.parse::<Tag>(), Err(NotATag), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_when_marked_is_the_same_but_for_the_mark_and_found(
            head in "(/\\*[a-z ]{0,500}\\*/)?[ \n]{0,9}(INSERT|UPDATE|delete|replace) ", rest: Vec<u8>, session: u64, number: u32,
        ) {
            let text = [head.as_bytes(), &rest].concat();
            let tag = Tag { session, number };
            if let Some(place) = Tag::place(&text) {
                let marked = tag.put(&text, place);
                prop_assert_eq!(Tag::find(&marked), Some(tag));
                prop_assert_eq!(tag.to_string().parse::<Tag>(), Ok(tag));
                let length = marked.len() - text.len();
                prop_assert!(length <= MAX);
                prop_assert_eq!([&marked[..place], &marked[place + length..]].concat(), text);
            }
        }

        #[test]
        fn any_bytes_when_looked_at_never_panic(bytes: Vec<u8>) {
            let _ = (Tag::place(&bytes), Tag::find(&bytes));
        }
    }
}
