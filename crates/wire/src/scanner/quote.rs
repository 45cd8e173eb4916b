//! Strings and quoted names.

use super::{Before, Scanner};
use crate::lexeme;
use crate::statement::{Marks, Reason};
use crate::words::{self, Bare, Call, Packed};

impl Scanner<'_> {
    /// Steps over what is quoted; true when it ends.
    fn quoted(&mut self, quote: u8, backslash: bool) -> bool {
        self.begins();
        if self.executable {
            // Why: a server that skips the comment sees no quote.
            self.marks.add(Marks::NOT_PLAIN);
        }
        let end = lexeme::quoted(self.text, self.at + 1, quote, backslash);
        if end.is_none() {
            self.tie(Reason::Quoting);
        }
        self.at = end.unwrap_or(self.text.len());
        end.is_some()
    }

    /// `'…'`, or `"…"`, which is a name under ANSI_QUOTES and knows no backslash then.
    pub(super) fn string(&mut self, quote: u8) {
        let start = self.at + 1;
        let ended = self.quoted(quote, self.backslash);
        if quote == b'\'' || !ended {
            self.before = Before::Other;
            return;
        }
        if self.backslash && self.text[start..self.at].contains(&b'\\') {
            self.tie(Reason::Quoting);
        }
        self.name_ended(start);
    }

    pub(super) fn quoted_name(&mut self) {
        let start = self.at + 1;
        if self.quoted(b'`', false) {
            self.name_ended(start);
        } else {
            self.before = Before::Other;
        }
    }

    /// A quoted name that began at `start` has ended.
    fn name_ended(&mut self, start: usize) {
        let end = (self.at - 1).max(start);
        let packed = Packed::of(self.text, start, end);
        let hash = packed.map_or_else(|| words::hash(&self.text[start..end]), Packed::hash);
        self.looked_up(hash);
        let after_dot = self.before == Before::Dot;
        let word = packed.and_then(words::find);
        let bare = word.map_or(Bare::Nothing, |word| word.bare);
        if matches!(bare, Bare::OwnSchema | Bare::OwnSchemaBeforeDot) {
            self.bare(bare);
        }
        let mut call = Call::Unknown;
        if let Some(word) = word.filter(|_| !after_dot)
            && matches!(word.call, Call::LooksBack | Call::Special(_))
        {
            // Why: a built-in function is called by its quoted name, too.
            call = word.call;
            self.bare(bare);
        }
        self.before = Before::Word(call);
    }
}
