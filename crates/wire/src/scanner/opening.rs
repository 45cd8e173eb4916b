//! The first words of a statement say what kind it is, and why that kind runs on the primary.

use super::{Scanner, Show};
use crate::statement::{Kind, Marks, Reason};

impl Scanner<'_> {
    /// One of the first three words. `is_select`: it is the word that most statements begin with.
    pub(super) fn early(&mut self, word: &[u8], is_select: bool, after_dot: bool) {
        match self.words {
            0 if is_select => {
                (self.kind, self.of_kind, self.kind_at) = (Kind::Select, None, self.at);
                return;
            }
            0 => {}
            1 if !after_dot && matches!(self.kind, Kind::Set | Kind::Begin | Kind::Show) => {}
            2 if self.show != Show::No => {}
            _ => return,
        }
        let mut lower = [0; 16];
        // Why empty: no long word means anything here.
        let lower = match lower.get_mut(..word.len()) {
            Some(lower) => {
                lower.copy_from_slice(word);
                lower.make_ascii_lowercase();
                &*lower
            }
            None => &[],
        };
        match self.words {
            0 => self.first(lower),
            1 => self.second(lower),
            _ => self.shown(lower),
        }
    }

    fn first(&mut self, word: &[u8]) {
        let (kind, reason) = match word {
            b"select" | b"with" | b"values" | b"table" => (Kind::Select, None),
            b"show" => (Kind::Show, Some(Reason::Shows)),
            b"describe" | b"desc" => (Kind::Show, None),
            b"explain" => (Kind::Show, Some(Reason::Plan)),
            b"insert" | b"update" | b"delete" | b"replace" | b"load" => {
                (Kind::Change, Some(Reason::Writes))
            }
            b"create" | b"alter" | b"drop" | b"truncate" | b"rename" | b"grant" | b"revoke" => {
                (Kind::Definition, Some(Reason::Defines))
            }
            b"begin" | b"start" => (Kind::Begin, Some(Reason::Transaction)),
            b"commit" => (Kind::Commit, Some(Reason::Transaction)),
            b"rollback" => (Kind::Rollback, Some(Reason::Transaction)),
            b"set" => (Kind::Set, Some(Reason::Session)),
            b"use" => (Kind::Use, Some(Reason::Session)),
            b"kill" => (Kind::Kill, Some(Reason::Administers)),
            b"unlock" => (Kind::Unlock, Some(Reason::OfConnection)),
            b"call" | b"do" | b"execute" | b"prepare" | b"deallocate" => {
                (Kind::Other, Some(Reason::Procedure))
            }
            b"handler" | b"lock" => (Kind::Other, Some(Reason::OfConnection)),
            b"xa" | b"savepoint" | b"release" => (Kind::Other, Some(Reason::Transaction)),
            b"analyze" | b"check" | b"checksum" | b"optimize" | b"repair" | b"flush"
            | b"backup" | b"install" | b"uninstall" | b"purge" | b"reset" | b"stop" | b"change"
            | b"shutdown" | b"cache" | b"help" => (Kind::Other, Some(Reason::Administers)),
            _ => (Kind::Other, Some(Reason::Unknown)),
        };
        (self.kind, self.of_kind, self.kind_at) = (kind, reason, self.at);
        match word {
            b"prepare" | b"handler" | b"execute" => self.marks.add(Marks::SESSION_OBJECT),
            b"lock" | b"backup" => self.marks.add(Marks::TABLE_LOCK),
            b"load" => self.load = true,
            b"flush" => self.flush = true,
            b"drop" => self.marks.add(Marks::DROP),
            b"show" => self.show = Show::Begun,
            b"describe" | b"desc" => self.describe = true,
            _ => {}
        }
    }

    fn second(&mut self, word: &[u8]) {
        self.shown(word);
        if self.describe
            && matches!(
                word,
                b"select"
                    | b"insert"
                    | b"update"
                    | b"delete"
                    | b"replace"
                    | b"with"
                    | b"values"
                    | b"extended"
                    | b"partitions"
                    | b"format"
                    | b"for"
                    | b"analyze"
                    | b"table"
            )
        {
            self.of_kind = Some(Reason::Plan);
        }
        self.kind = match (self.kind, word) {
            (Kind::Set, b"names") => Kind::SetNames,
            (Kind::Set, b"statement") => Kind::SetStatement,
            (Kind::Set, b"transaction") => Kind::SetTransaction,
            (Kind::Set, b"role") => Kind::SetRole,
            (Kind::Begin, b"not") => {
                self.of_kind = Some(Reason::Procedure);
                Kind::Other
            }
            // Why: START SLAVE and the like are no transactions.
            (Kind::Begin, word) if word != b"work" && word != b"transaction" => {
                self.of_kind = Some(Reason::Administers);
                Kind::Other
            }
            (kind, _) => kind,
        };
    }

    /// What is shown: what every copy has alike may be asked anywhere. SHOW CREATE TABLE tells the next number, SHOW
    /// INDEX estimates; what is not listed is not known.
    fn shown(&mut self, word: &[u8]) {
        self.show = match (self.show, word) {
            (Show::No, _) => return,
            (Show::Begun, b"full") => Show::Begun,
            (Show::Begun, b"count") => Show::Counts,
            (Show::Begun | Show::Counts, b"warnings" | b"errors") => {
                self.marks.add(Marks::LOOKS_BACK);
                Show::LooksBack
            }
            (
                Show::Begun,
                b"databases" | b"schemas" | b"tables" | b"columns" | b"fields" | b"collation"
                | b"character" | b"charset",
            ) => {
                self.of_kind = None;
                Show::No
            }
            (Show::LooksBack, _) => Show::LooksBack,
            (Show::Begun | Show::Counts, _) => Show::No,
        };
    }
}
