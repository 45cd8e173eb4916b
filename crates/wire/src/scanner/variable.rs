//! `@x` and `@@x`.

use super::{Before, Scanner};
use crate::lexeme;
use crate::statement::{Kind, Marks, Reason};

impl Scanner<'_> {
    pub(super) fn variable(&mut self) {
        self.begins();
        self.before = Before::Other;
        if self.next_is(b'@') {
            return self.system_variable();
        }
        // Why: `user`@`host` in GRANT is no variable, and the mark does no harm there.
        self.marks.add(Marks::USER_VARIABLE);
        self.tie(Reason::UserVariable);
        if !matches!(
            self.kind,
            Kind::Select | Kind::Show | Kind::Change | Kind::Definition
        ) || self.load
            || (self.marks.has(Marks::NOT_PLAIN) && self.kind == Kind::Select)
        {
            self.marks.add(Marks::SETS_USER_VARIABLE);
        }
        self.at = lexeme::word(self.text, self.at + 1).0;
    }

    /// `@@name`, `@@session.name`: those about the last statement are asked where that one ran.
    fn system_variable(&mut self) {
        let mut start = self.at + 2;
        let mut end = lexeme::word(self.text, start).0;
        if self.text.get(end) == Some(&b'.') {
            start = end + 1;
            end = lexeme::word(self.text, start).0;
        }
        let name = &self.text[start..end];
        let looks_back = ["warning_count", "error_count"];
        if looks_back
            .iter()
            .any(|known| name.eq_ignore_ascii_case(known.as_bytes()))
        {
            self.marks.add(Marks::LOOKS_BACK);
        } else {
            self.tie(Reason::SystemVariable);
        }
        self.at = end;
    }
}
