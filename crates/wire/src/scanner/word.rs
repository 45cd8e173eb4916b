//! A word or a name wherever it stands: what it ties the statement to, and what it means once a parenthesis or a dot follows.

use super::{Before, Pending, Scanner};
use crate::lexeme;
use crate::statement::{Kind, Marks, Reason};
use crate::words::{self, Bare, Call, Packed};

impl Scanner<'_> {
    /// A name: is it one of those that the database says are more than plain tables?
    #[inline]
    pub(super) fn looked_up(&mut self, hash: u64) {
        if let Some(names) = &self.names {
            let qualifier = (self.before == Before::Dot).then_some(self.qualifier);
            if let Some(reason) = names.reason(hash, qualifier) {
                self.tie(reason);
            }
        }
        self.name = hash;
        self.digest = (self.digest.rotate_left(5) ^ hash).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    pub(super) fn word(&mut self) {
        self.begins();
        let start = self.at;
        let (end, high) = lexeme::word(self.text, start);
        if high {
            self.tie(Reason::Quoting);
        }
        let after_dot = self.before == Before::Dot;
        let packed = Packed::of(self.text, start, end);
        let hash = packed.map_or_else(|| words::hash(&self.text[start..end]), Packed::hash);
        self.looked_up(hash);
        if self.words < 3 {
            let is_select = packed == Some(words::SELECT);
            self.early(&self.text[start..end], is_select, after_dot);
        }
        self.words += 1;
        let mut call = Call::Unknown;
        if let Some(word) = packed.and_then(words::find) {
            if !after_dot {
                call = word.call;
            }
            if word.bare != Bare::Nothing && (!after_dot || word.bare == Bare::Sequence) {
                self.bare(word.bare);
            }
        }
        self.before = Before::Word(call);
        self.at = end;
    }

    /// A word that means something wherever it stands.
    pub(super) fn bare(&mut self, bare: Bare) {
        let mark = match bare {
            Bare::NotPlain(reason) => {
                self.tie(reason);
                Marks::NOT_PLAIN
            }
            Bare::NotPlainUnlessCalled(reason) => {
                self.pending = Pending::UnlessCalled(reason);
                return;
            }
            Bare::OwnSchema => return self.tie(Reason::OwnTables),
            Bare::OwnSchemaBeforeDot => {
                self.pending = Pending::IfDot;
                return;
            }
            Bare::Sequence => return self.tie(Reason::Sequence),
            Bare::GetLock => Marks::NAMED_LOCK,
            Bare::FoundRows => {
                self.asks = Marks(Marks::LOOKS_BACK.0 | Marks::FOUND_ROWS.0);
                return;
            }
            Bare::RowCount => {
                self.asks = Marks::LOOKS_BACK;
                return;
            }
            Bare::From => {
                (self.sources, self.source) = (self.sources + 1, self.words);
                return;
            }
            Bare::Dual => {
                self.sources -= u32::from(self.sources > 0 && self.source + 1 == self.words);
                return;
            }
            Bare::Diagnostics if self.kind == Kind::Other && self.words <= 3 => Marks::LOOKS_BACK,
            Bare::Temporary => Marks::TEMPORARY,
            Bare::Lock if self.flush => Marks::TABLE_LOCK,
            Bare::Collate => Marks::COLLATE,
            Bare::Nothing | Bare::Diagnostics | Bare::Lock => return,
        };
        self.marks.add(mark);
    }
}
