//! What begins with a digit: numbers, and names that do. A server ends a number where it can; what it may end
//! elsewhere than here is marked.

use super::{Before, Scanner};
use crate::lexeme;
use crate::statement::{Marks, Reason};
use crate::words::{self, Call};

impl Scanner<'_> {
    /// Digits: a number, or a name that begins with digits.
    pub(super) fn number(&mut self) {
        self.begins();
        let start = self.at;
        let (end, high) = lexeme::word(self.text, start);
        self.at = end;
        let token = &self.text[start..end];
        if token.iter().all(u8::is_ascii_digit) && self.before != Before::Dot {
            self.before = Before::Other;
            if end == self.text.len() {
                self.tail = start;
            }
            if self.text.get(end) == Some(&b'.') {
                self.at += 1;
                self.fraction();
            }
            return;
        }
        if self.before != Before::Dot && self.exponent(start) {
            return;
        }
        let is_hex =
            matches!(token, [b'0', b'x', rest @ ..] if rest.iter().all(u8::is_ascii_hexdigit));
        if !is_hex || high {
            // Why: `1e5into` is two words for the server, `1f` is one.
            self.odd();
        }
        self.before = Before::Word(Call::Unknown);
        self.looked_up(words::hash(token));
    }

    /// What follows the dot of a number.
    pub(super) fn fraction(&mut self) {
        let (end, _) = lexeme::word(self.text, self.at);
        let digits = &self.text[self.at..end];
        let is_plain = digits.iter().all(u8::is_ascii_digit);
        self.before = Before::Other;
        if is_plain {
            self.at = end;
            return;
        }
        if self.exponent(self.at) {
            return;
        }
        // Why not stepped over: `1.into` is a number and a word.
        self.odd();
        self.at += digits
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
    }

    /// Steps over digits, an `e` and digits, when what begins there is just that.
    fn exponent(&mut self, begin: usize) -> bool {
        let rest = self.text.get(begin..).unwrap_or_default();
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let mut at = begin + digits + 1;
        if !matches!(rest.get(digits), Some(b'e' | b'E')) {
            return false;
        }
        at += usize::from(matches!(self.text.get(at), Some(b'+' | b'-')));
        let end = lexeme::word(self.text, at).0;
        let is_number = end > at && self.text[at..end].iter().all(u8::is_ascii_digit);
        if is_number {
            self.before = Before::Other;
            self.at = end;
        }
        is_number
    }

    /// Digits and letters without a space between them.
    #[cold]
    fn odd(&mut self) {
        self.marks.add(Marks::NOT_PLAIN);
        self.tie(Reason::Quoting);
    }
}
