//! `COMMIT RELEASE` and what means the same: the server answers and ends the connection, so the client's ends, too, instead of
//! being given another one. A server that dies behind a COMMIT does not look like that: only what the client asked for counts.
//!
//! 10.11.19: `completion_type` asks for it as well, unless NO RELEASE is said; in a procedure the answer is 1927; of several
//! statements, those behind it do not run and nothing is said of them.

use wire::flags;
use wire::parts::{bare, parts};
use wire::statement::{Kind, Marks, scan};

use super::{Phase, Session};

impl Session {
    /// A statement has succeeded: does the connection end with it?
    #[cold]
    pub(super) fn note_release(&mut self) {
        if self
            .statement
            .marks
            .has(Marks(Marks::MULTI.0 | Marks::CUT.0))
        {
            return;
        }
        if matches!(self.statement.kind, Kind::Commit | Kind::Rollback) {
            let text = self.wording().unwrap_or_default();
            self.ends_after_answer |= self.releases(text);
        } else {
            self.may_release = self.hides_release();
        }
    }

    /// The same of several statements.
    pub(super) fn note_several_release(&mut self, failed: bool) {
        self.may_release = !failed && self.release_among_several();
    }

    /// The server has ended the connection, for whatever reason. Like [`Self::lost`], unless the client had asked for that.
    pub(crate) fn ended_by_server(&mut self) {
        let between = self.phase == Phase::Flight && self.delivered && self.walker.at_boundary();
        let is_asked = if between {
            self.statement.marks.has(Marks::MULTI) && self.release_among_several()
        } else {
            self.may_release && !self.delivered
        };
        if is_asked {
            self.phase = Phase::Closing;
        } else {
            self.lost();
        }
    }

    /// True when COMMIT or ROLLBACK with this text ends the connection.
    fn releases(&self, text: &[u8]) -> bool {
        let bare = bare(text, self.escapes());
        let words: Vec<&[u8]> = words(&bare).collect();
        let Some(at) = words.iter().position(|word| *word == b"release") else {
            return self.completes_with_release() && !words.contains(&&b"to"[..]);
        };
        let before = at.checked_sub(1).map(|at| words[at]);
        !words.contains(&&b"to"[..]) && before != Some(b"no")
    }

    fn completes_with_release(&self) -> bool {
        self.state.has_value("completion_type", b"RELEASE")
    }

    /// True when one of several statements ends the connection.
    fn release_among_several(&self) -> bool {
        let backslash = self.escapes();
        let text = self.wording().unwrap_or_default();
        let ends = |part: &&[u8]| {
            matches!(scan(part, backslash).kind, Kind::Commit | Kind::Rollback)
                && self.releases(part)
        };
        parts(text, backslash).iter().any(ends) || self.hides_release()
    }

    /// True when a statement that is no COMMIT may end the connection: by a text in it, or one that was prepared in SQL.
    fn hides_release(&self) -> bool {
        let text = self.wording().unwrap_or_default().to_ascii_lowercase();
        let first = words(&text).next();
        let has = |wanted: &[u8]| words(&text).any(|word| word == wanted);
        match first {
            // Why: nobody knows what was prepared; a session that prepared in SQL could not go on elsewhere anyway.
            Some(b"execute") => true,
            Some(b"release") => false,
            _ => {
                has(b"release")
                    || has(b"completion_type")
                    || (has(b"execute") && self.completes_with_release())
            }
        }
    }

    fn escapes(&self) -> bool {
        self.status & flags::NO_BACKSLASH_ESCAPES == 0
    }
}

fn words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| !byte.is_ascii_alphanumeric() && *byte != b'_')
        .filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::super::by_hand::{AUTOCOMMIT, OPEN, World, ok};
    use super::*;

    #[test]
    fn commit_release_when_it_is_answered_ends_the_clients_connection() {
        for text in ["COMMIT RELEASE", "rollback /* x */ work release"] {
            let mut world = World::new(0);
            world.run("BEGIN", &ok(0, 0, OPEN));
            world.send(text);
            world.answer(&ok(0, 0, AUTOCOMMIT));
            assert_eq!(world.session.phase(), Phase::Closing, "{text}");
        }
    }

    #[test]
    fn server_when_it_dies_behind_a_commit_that_asks_for_no_end_is_replaced() {
        for text in [
            "COMMIT",
            "COMMIT NO RELEASE",
            "COMMIT /* release */",
            "ROLLBACK TO SAVEPOINT release",
            "CALL p()",
            "RELEASE SAVEPOINT a",
        ] {
            let mut world = World::new(0);
            world.run(text, &ok(0, 0, AUTOCOMMIT));
            world.session.ended_by_server();
            assert_eq!(world.session.phase(), Phase::Idle, "{text}");
        }
    }

    #[test]
    fn release_when_it_is_hidden_ends_with_the_server() {
        for text in [
            "EXECUTE IMMEDIATE 'COMMIT RELEASE'",
            "SET STATEMENT completion_type=2 FOR COMMIT",
            "SELECT 1; COMMIT RELEASE",
        ] {
            let mut world = World::new(0);
            world.run(text, &ok(0, 0, AUTOCOMMIT));
            world.session.ended_by_server();
            assert_eq!(world.session.phase(), Phase::Closing, "{text}");
        }
        let mut world = World::new(0);
        world.send("COMMIT RELEASE; SELECT 2");
        world.answer(&ok(0, 0, AUTOCOMMIT | flags::MORE_RESULTS));
        world.session.ended_by_server();
        assert_eq!(world.session.phase(), Phase::Closing);
        assert!(world.told().is_empty(), "nothing is said of the rest");
    }
}
