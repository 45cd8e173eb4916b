//! The statements of a text that has several: where one ends and the next begins. For those who must look at each; the
//! scanner says of the whole only that there are several.

use crate::lexeme::{self, Class};
use crate::read_only::{comment, is_gap, line};

/// The statements of `text`, without their semicolons. A comment that only some versions run counts as text.
/// `backslash` as in [`crate::statement::scan`].
pub fn parts(text: &[u8], backslash: bool) -> Vec<&[u8]> {
    let (mut parts, mut begin, mut at) = (Vec::new(), 0, 0);
    while let Some(&byte) = text.get(at) {
        let next = text.get(at + 1).copied();
        match Class::of(byte) {
            Class::String | Class::Name => {
                let escapes = backslash && byte != b'`';
                at = lexeme::quoted(text, at + 1, byte, escapes).unwrap_or(text.len());
            }
            Class::Hash => at = line(text, at),
            Class::Dash if next == Some(b'-') && is_gap(text.get(at + 2)) => at = line(text, at),
            Class::Slash if next == Some(b'*') => at = comment(text, at),
            Class::Semicolon => {
                parts.push(&text[begin..at]);
                at += 1;
                begin = at;
            }
            _ => at += 1,
        }
    }
    parts.push(&text[begin..]);
    parts
}

/// The text in small letters without its comments, and with `''` for each quoted part: what is left are words and
/// signs that mean what they say. A comment that only some versions run counts as text. `backslash` as in [`parts`].
pub fn bare(text: &[u8], backslash: bool) -> Vec<u8> {
    let (mut bare, mut at) = (Vec::with_capacity(text.len()), 0);
    while let Some(&byte) = text.get(at) {
        let next = text.get(at + 1).copied();
        let comment_end = match Class::of(byte) {
            Class::Hash => Some(line(text, at)),
            Class::Dash if next == Some(b'-') && is_gap(text.get(at + 2)) => Some(line(text, at)),
            Class::Slash if next == Some(b'*') => Some(comment(text, at)),
            _ => None,
        };
        if let Some(end) = comment_end {
            bare.push(b' ');
            at = end.max(at + 1);
        } else if matches!(Class::of(byte), Class::String | Class::Name) {
            let escapes = backslash && byte != b'`';
            bare.extend_from_slice(b"''");
            at = lexeme::quoted(text, at + 1, byte, escapes).unwrap_or(text.len());
        } else {
            bare.push(byte.to_ascii_lowercase());
            at += 1;
        }
    }
    bare
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_when_it_is_laid_bare_keeps_words_and_signs_only() {
        let bare = |text: &str| String::from_utf8(bare(text.as_bytes(), true)).unwrap();
        assert_eq!(bare("COMMIT /* no */ Release -- x"), "commit   release  ");
        assert_eq!(bare("SET @a='re\\'lease', `B`=1 # c"), "set @a='', ''=1  ");
        assert_eq!(bare("COMMIT /*!50000 RELEASE */"), "commit   release */");
        assert_eq!(bare("SELECT 'open"), "select ''");
    }

    fn split(text: &str) -> Vec<String> {
        let parts = parts(text.as_bytes(), true);
        let text = |part: &&[u8]| String::from_utf8_lossy(part).into_owned();
        parts.iter().map(text).collect()
    }

    #[test]
    fn text_when_it_has_several_statements_is_split_where_they_end() {
        assert_eq!(split("SELECT 1"), ["SELECT 1"]);
        assert_eq!(split("SET x=1; SELECT 2;"), ["SET x=1", " SELECT 2", ""]);
        assert_eq!(
            split("SELECT 'a;b\\';c', `d;e`, \"f;\" -- ;\n; SET /* ; */ y=1 # ;"),
            [
                "SELECT 'a;b\\';c', `d;e`, \"f;\" -- ;\n",
                " SET /* ; */ y=1 # ;"
            ]
        );
        assert_eq!(
            split("/*!50000 SET x=1; */ SELECT 1"),
            ["/*!50000 SET x=1", " */ SELECT 1"]
        );
        assert_eq!(split("SELECT 'a; SELECT 2"), ["SELECT 'a; SELECT 2"]);
    }
}
