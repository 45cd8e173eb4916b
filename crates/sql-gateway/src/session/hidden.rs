//! State that the server's reports do not show, or show wrong (10.11.19): what only the text tells of it. What cannot be
//! told from the text either ties the session to its connection.
//!
//! Not reported: the collation that SET CHARACTER SET brings, and one within a list; what `SET @@tx_isolation` and SET TRANSACTION prepare;
//! LOCK TABLES and HANDLER; what `SET @@name` sets, where no scope could be put there. Reported wrong: the variables of SET STATEMENT, with the value they have for it.

use wire::command::code;
use wire::flags;
use wire::parts::parts;
use wire::statement::{Kind as Is, Marks, Reason, Verdict, scan};
use wire::unscoped::unscoped;

use super::Session;
use super::state::Pins;

/// What may stand behind `SET STATEMENT … FOR` and leaves nothing behind that is not seen.
const SEEN: [&[u8]; 8] = [
    b"select", b"with", b"insert", b"update", b"delete", b"replace", b"show", b"values",
];
/// With two `@` and no word between, these are meant for the next transaction only.
const NEXT: [&[u8]; 2] = [b"@@tx_", b"@@transaction_"];

impl Session {
    /// A single statement that sets something has succeeded.
    pub(super) fn note_hidden(&mut self) {
        let text = self.wording().unwrap_or_default().to_ascii_lowercase();
        let has = |word: &[u8]| text.windows(word.len()).any(|part| part == word);
        match self.statement.kind {
            Is::SetStatement => {
                self.note_release();
                let is_seen = words(&text)
                    .skip_while(|word| *word != b"for")
                    .nth(1)
                    .is_some_and(|word| SEEN.contains(&word));
                if !is_seen || self.statement.marks.has(Marks::UNKNOWN_FUNCTION) {
                    self.state.pins.add(Pins::SOMETHING);
                }
            }
            Is::Set if NEXT.iter().any(|next| has(next)) => {
                if self.command == code::QUERY && !text.contains(&b',') && !self.in_transaction() {
                    let text = self.request.payload().get(1..).unwrap_or_default();
                    self.state.next_transaction = Some(text.into());
                } else {
                    self.state.pins.add(Pins::SOMETHING);
                }
            }
            Is::Set if self.statement.marks.has(Marks::COLLATE) => {
                self.state.pins.add(Pins::SOMETHING);
            }
            Is::Set if sets_charset(&text) => self.state.collates_as_database(),
            _ => {}
        }
    }

    /// A statement that runs for this reason has succeeded: a routine in it may have said what holds for the next transaction only. The
    /// server tells of that only who has it tell, too, of each statement in each transaction (`session_track_transaction_info`).
    #[cold]
    pub(super) fn note_routine(&mut self, verdict: Verdict) {
        let runs = matches!(
            verdict,
            Verdict::Primary(Reason::Procedure | Reason::UnknownFunction)
        );
        // Why: within one it cannot be said.
        if runs && !self.in_transaction() && self.state.next_transaction.is_none() {
            self.state.next_transaction = Some(Box::default());
        }
    }

    /// A SET that has succeeded may have set what the server does not report.
    pub(super) fn leaves_unscoped(&self) -> bool {
        let backslash = self.status & flags::NO_BACKSLASH_ESCAPES == 0;
        self.statement.marks.has(Marks::CUT)
            || is_unscoped(self.wording().unwrap_or_default(), backslash)
    }

    /// The statement may read tables.
    pub(super) fn reads_tables(&self) -> bool {
        let text = self.wording().unwrap_or_default();
        words(text).any(|word| word.eq_ignore_ascii_case(b"from"))
    }

    /// The statement defines a routine.
    pub(super) fn is_routine(&self) -> bool {
        const ROUTINES: [&[u8]; 5] = [b"procedure", b"function", b"trigger", b"event", b"package"];
        let text = self.wording().unwrap_or_default();
        self.statement.kind == Is::Definition
            && words(&text.to_ascii_lowercase()).any(|word| ROUTINES.contains(&word))
    }

    /// Several statements have run, or some of them.
    pub(super) fn note_several(&mut self) {
        let text = self.wording().unwrap_or_default();
        if self.is_routine() {
            // Why: its semicolons are those of its body, which has not run.
            return;
        }
        let mut hides = self.statement.marks.has(Marks::CUT);
        let mut marks = Marks::default();
        let mut routine = None;
        for backslash in [true, false] {
            for part in parts(text, backslash) {
                let statement = scan(part, backslash);
                marks.add(statement.marks);
                routine = routine.or(Some(statement.verdict())
                    .filter(|verdict| *verdict == Verdict::Primary(Reason::Procedure)));
                hides |= match statement.kind {
                    Is::SetTransaction | Is::SetStatement | Is::SetRole => true,
                    Is::SetNames => {
                        statement.marks.has(Marks::COLLATE) || is_unscoped(part, backslash)
                    }
                    Is::Set => {
                        let small = part.to_ascii_lowercase();
                        let has = |word: &[u8]| small.windows(word.len()).any(|it| it == word);
                        let next = NEXT.iter().any(|next| has(next));
                        let hides = statement.marks.has(Marks::COLLATE) || sets_charset(&small);
                        hides || next || is_unscoped(part, backslash)
                    }
                    Is::Select | Is::Show | Is::Change | Is::Definition => false,
                    // Why: a block of statements is in parts, too.
                    _ => part.windows(2).any(|two| two == b"@@"),
                };
            }
        }
        self.statement.marks.add(marks);
        if let Some(routine) = routine {
            self.note_routine(routine);
        }
        if hides {
            self.state.pins.add(Pins::SOMETHING);
        }
    }
}

fn is_unscoped(text: &[u8], backslash: bool) -> bool {
    let found = unscoped(text, backslash);
    found.is_odd || found.scoped.is_some()
}

/// `SET CHARACTER SET …`, `SET CHARSET …`, in small letters.
fn sets_charset(text: &[u8]) -> bool {
    let mut before: &[u8] = b"";
    words(text).any(|word| {
        let is_charset = word == b"charset" || (before == b"character" && word == b"set");
        before = word;
        is_charset
    })
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
        .filter(|word| !word.is_empty())
}
