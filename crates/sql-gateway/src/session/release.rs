//! `COMMIT RELEASE` and what means the same: the server answers and ends the connection, so the client's ends, too, instead of
//! being given another one. A server that dies behind a COMMIT does not look like that: only what the client asked for counts.
//!
//! Taken for it is nothing but `COMMIT|ROLLBACK [WORK] [AND [NO] CHAIN] [NO] RELEASE` as a statement of its own, and what may hide one
//! without a word of it: EXECUTE, and comments that some versions run. A name `release` in another statement means nothing.
//!
//! 10.11.19: `completion_type` asks for it as well, unless NO RELEASE is said; in a procedure the answer is 1927; of several
//! statements, those behind it do not run and nothing is said of them.

use wire::flags;
use wire::parts::{bare, parts};
use wire::statement::{Kind, Marks, scan};

use super::{Phase, Session};

/// First words of what may end the connection.
const ENDS: [&[u8]; 3] = [b"commit", b"rollback", b"execute"];

/// Whether the connection ends behind a statement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ends {
    No,
    /// If the server ends it then, the client may have asked for that.
    Perhaps,
    Yes,
}

/// What COMMIT or ROLLBACK says of it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Said {
    Nothing,
    Release,
    NoRelease,
}

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
        let text = self.wording().unwrap_or_default();
        match self.ends(text, self.completes_with_release()) {
            Ends::Yes => self.ends_after_answer = true,
            Ends::Perhaps => self.may_release = true,
            Ends::No => {}
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

    /// What a text that has succeeded, or is about to, says of the connection.
    /// `completes`: unless it says something else, it does so with RELEASE.
    fn ends(&self, text: &[u8], completes: bool) -> Ends {
        let bare = bare(text, self.escapes());
        let words: Vec<&[u8]> = words(&bare).collect();
        if bare.windows(2).any(|pair| pair == b"*/") {
            // Why: the server's version says whether what stands in such a comment counts.
            let may = words.contains(&&b"release"[..]) || completes;
            let is_one = words.iter().any(|word| ENDS.contains(word));
            return if may && is_one {
                Ends::Perhaps
            } else {
                Ends::No
            };
        }
        let said = match words.as_slice() {
            // Why: nobody knows what was prepared; a session that prepared in SQL could not go on elsewhere anyway.
            [b"execute", ..] => return Ends::Perhaps,
            [b"set", b"statement", words @ ..] => {
                let at = words.iter().rposition(|word| *word == b"for");
                let (set, behind) = words.split_at(at.unwrap_or(words.len()));
                if behind.get(1) == Some(&&b"execute"[..]) {
                    return Ends::Perhaps;
                }
                let said = said(behind.get(1..).unwrap_or_default());
                if said == Some(Said::Nothing) && set.contains(&&b"completion_type"[..]) {
                    return Ends::Perhaps;
                }
                said
            }
            words => said(words),
        };
        match said {
            Some(Said::Release) => Ends::Yes,
            Some(Said::Nothing) if completes => Ends::Yes,
            _ => Ends::No,
        }
    }

    fn completes_with_release(&self) -> bool {
        self.state.has_value("completion_type", b"RELEASE")
    }

    /// True when one of several statements may end the connection.
    fn release_among_several(&self) -> bool {
        let backslash = self.escapes();
        let text = self.wording().unwrap_or_default();
        if self.is_routine() && words(text).any(|word| word.eq_ignore_ascii_case(b"begin")) {
            // Why: its semicolons are those of its body, which has not run.
            return false;
        }
        // Why: the server says so of itself, but not to a client that hears what it chose.
        let mut completes = self.completes_with_release();
        parts(text, backslash).iter().any(|part| {
            let sets = scan(part, backslash).kind == Kind::Set;
            completes |= sets && mentions(part, b"completion_type");
            self.ends(part, completes) != Ends::No
        })
    }

    fn escapes(&self) -> bool {
        self.status & flags::NO_BACKSLASH_ESCAPES == 0
    }
}

/// What COMMIT or ROLLBACK, in small letters, says of RELEASE: `None` if it is neither, or goes back to a savepoint only.
fn said(words: &[&[u8]]) -> Option<Said> {
    let [b"commit" | b"rollback", rest @ ..] = words else {
        return None;
    };
    let rest = rest.strip_prefix(&[&b"work"[..]]).unwrap_or(rest);
    match rest {
        [] | [b"and", b"chain"] | [b"and", b"no", b"chain"] => Some(Said::Nothing),
        [b"release"] | [b"and", b"no", b"chain", b"release"] => Some(Said::Release),
        [b"no", b"release"]
        | [b"and", b"chain", b"no", b"release"]
        | [b"and", b"no", b"chain", b"no", b"release"] => Some(Said::NoRelease),
        _ => None,
    }
}

fn mentions(text: &[u8], wanted: &[u8]) -> bool {
    words(text).any(|word| word.eq_ignore_ascii_case(wanted))
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
        for text in [
            "COMMIT RELEASE",
            "rollback /* x */ work release",
            "COMMIT AND NO CHAIN RELEASE;",
            "SET STATEMENT max_statement_time=5 FOR COMMIT RELEASE",
        ] {
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
            "COMMIT AND NO CHAIN NO RELEASE",
            "ANALYZE TABLE release",
            "CALL p('COMMIT RELEASE')",
            "PREPARE s FROM 'COMMIT RELEASE'",
            "ALTER TABLE t ADD COLUMN release INT; SELECT 1",
            "COMMIT; ALTER TABLE t ADD release INT AFTER completion_type",
            "CREATE PROCEDURE p() BEGIN DO 1; COMMIT RELEASE; END",
            "SET STATEMENT max_statement_time=5 FOR ANALYZE TABLE release",
            "SET STATEMENT completion_type=2 FOR ROLLBACK NO RELEASE",
            "SET completion_type=2; COMMIT NO RELEASE",
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
            "SET STATEMENT completion_type=2 FOR EXECUTE IMMEDIATE 'COMMIT'",
            "COMMIT /*!50000 RELEASE */",
            "SELECT 1; COMMIT RELEASE",
            "SELECT 1; COMMIT WORK AND NO CHAIN RELEASE",
            "SET completion_type=2; ROLLBACK",
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
