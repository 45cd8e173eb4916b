//! Where things end in a text: words and quoted strings. Eight bytes at a time where it pays.

/// What a byte can begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Class {
    /// A letter, `_` or `$`.
    Word,
    Digit,
    /// No ASCII.
    High,
    Space,
    /// Nothing: an operator or the like.
    Plain,
    /// `'` or `"`.
    String,
    /// A backtick.
    Name,
    Hash,
    Dash,
    Slash,
    Star,
    Semicolon,
    Parenthesis,
    Dot,
    At,
    Colon,
}

static CLASSES: [Class; 256] = classes();

const fn classes() -> [Class; 256] {
    let mut all = [Class::Plain; 256];
    let mut at = 0;
    while at < 256 {
        all[at] = match at as u8 {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c => Class::Space,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' => Class::Word,
            b'0'..=b'9' => Class::Digit,
            b'\'' | b'"' => Class::String,
            b'`' => Class::Name,
            b'#' => Class::Hash,
            b'-' => Class::Dash,
            b'/' => Class::Slash,
            b'*' => Class::Star,
            b';' => Class::Semicolon,
            b'(' => Class::Parenthesis,
            b'.' => Class::Dot,
            b'@' => Class::At,
            b':' => Class::Colon,
            0x80.. => Class::High,
            _ => Class::Plain,
        };
        at += 1;
    }
    all
}

impl Class {
    #[inline]
    pub(crate) fn of(byte: u8) -> Self {
        CLASSES[usize::from(byte)]
    }
}

/// Where the word that begins at `start` ends, and whether something in it is no ASCII.
#[inline]
pub(crate) fn word(text: &[u8], start: usize) -> (usize, bool) {
    let rest = text.get(start..).unwrap_or_default();
    let mut seen = 0;
    for (at, byte) in rest.iter().enumerate() {
        // The first three classes: one comparison.
        if Class::of(*byte) as u8 > Class::High as u8 {
            return (start + at, seen >= 0x80);
        }
        seen |= byte;
    }
    (start + rest.len(), seen >= 0x80)
}

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// The first place from `at` on where one of two bytes stands.
#[inline]
fn either(text: &[u8], mut at: usize, one: u8, other: u8) -> Option<usize> {
    let (ones, others) = (ONES * u64::from(one), ONES * u64::from(other));
    while let Some(chunk) = text.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let chunk = u64::from_le_bytes(*chunk);
        let (a, b) = (chunk ^ ones, chunk ^ others);
        let zero_in = |x: u64| x.wrapping_sub(ONES) & !x & HIGHS;
        let hit = zero_in(a) | zero_in(b);
        if hit != 0 {
            return Some(at + hit.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    let rest = text.get(at..)?;
    let found = rest.iter().position(|byte| *byte == one || *byte == other);
    found.map(|found| at + found)
}

/// Behind the quote that ends what began before `at`; `None` when there is none.
pub(crate) fn quoted(text: &[u8], mut at: usize, quote: u8, backslash: bool) -> Option<usize> {
    let escape = if backslash { b'\\' } else { quote };
    loop {
        at = either(text, at, quote, escape)?;
        if text[at] == quote && text.get(at + 1) != Some(&quote) {
            return Some(at + 1);
        }
        // Stepped over with what it escapes.
        at += 2;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slowly(text: &[u8], mut at: usize, quote: u8, backslash: bool) -> Option<usize> {
        while let Some(&byte) = text.get(at) {
            at += 1;
            if byte == b'\\' && backslash {
                at += 1;
            } else if byte == quote {
                if text.get(at) != Some(&quote) {
                    return Some(at);
                }
                at += 1;
            }
        }
        None
    }

    proptest! {
        #[test]
        fn the_end_of_a_string_when_found_fast_is_where_it_is_found_slowly(
            text in "['\\\\a\u{e9}-]{0,40}", backslash: bool, at in 0_usize..4,
        ) {
            let text = text.as_bytes();
            prop_assert_eq!(quoted(text, at, b'\'', backslash), slowly(text, at, b'\'', backslash));
        }
    }
}
