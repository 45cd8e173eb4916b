//! An idle session gives its connection away and goes on with another at its next statement: only when nothing of it is
//! there that cannot be made again. What nobody can make again for a statement that asks for the past is an error, never a
//! wrong answer.

use wire::command::code;
use wire::flags;
use wire::statement::{Kind, Marks, Verdict};

use super::{Phase, Session};
use crate::fault::Fault;

/// What a session remembers for it.
#[derive(Debug, Default)]
pub(super) struct Parting {
    /// It may give its connection away at all.
    is_allowed: bool,
    /// It asks for what earlier statements left, or nobody knows what they left: it keeps its connection.
    asks_past: bool,
    /// An error or warnings may still be shown.
    has_trouble: bool,
    /// A statement was answered.
    has_run: bool,
    /// It has given away a connection on which statements ran.
    has_parted: bool,
    /// It has none now.
    is_away: bool,
    /// Since then a statement was answered, and one of those that FOUND_ROWS asks about.
    is_answered: bool,
    has_found: bool,
}

impl Session {
    /// From now on it may give its connection away.
    pub(crate) fn may_part(&mut self) {
        self.parting.is_allowed = true;
    }

    /// A query or an execution begins.
    pub(super) fn note_past(&mut self) {
        if !self.parting.is_allowed || self.parting.asks_past {
            return;
        }
        // Why all but plain ones: a routine may leave an id, and a sequence its last value, without a word of it.
        let marks = Marks::LOOKS_BACK.0 | Marks::UNKNOWN_FUNCTION.0 | Marks::MULTI.0 | Marks::CUT.0;
        let is_opaque =
            self.statement.marks.has(Marks(marks)) || self.statement.kind == Kind::Other;
        let is_plain = self.statement.verdict() == Verdict::Anywhere;
        let text = self.text();
        let has_past = !is_plain && (has_word(text, PAST) || has_word(text, MADE));
        self.parting.asks_past = is_opaque || has_past;
    }

    /// An OK tells an id of AUTO_INCREMENT. LAST_INSERT_ID() is it only if the server made it up: an id that the statement gave is
    /// told in the same way (10.11.19).
    pub(super) fn note_id(&mut self, id: u64) {
        self.parting.asks_past |= id != 0;
    }

    /// An answer has these many warnings; an error counts as one.
    pub(super) fn note_warnings(&mut self, warnings: u16) {
        self.parting.has_trouble |= warnings != 0;
        self.past.warns(warnings);
    }

    /// A statement has ended.
    pub(super) fn note_answered(&mut self, failed: bool) {
        if !matches!(self.command, code::QUERY | code::STMT_EXECUTE) {
            return;
        }
        self.parting.has_run = true;
        self.parting.is_answered = true;
        if !failed && !self.parting.has_found {
            self.parting.has_found = finds(self.text());
        }
        self.parting.has_trouble |= failed;
    }

    /// Before its answer: a change forgets what the statements before it said; others may not (10.11.19: `SELECT 1`).
    pub(super) fn note_change(&mut self) {
        if self.statement.kind == Kind::Change && self.command == code::QUERY {
            self.parting.has_trouble = false;
        }
    }

    /// True when its connection can be given away now, and what follows is as if it had been kept.
    pub(crate) fn can_part(&self) -> bool {
        let parting = &self.parting;
        let state = &self.state;
        parting.is_allowed
            && !parting.asks_past
            && !parting.has_trouble
            && self.phase == Phase::Idle
            && self.request.packet().is_empty()
            && self.to_client.is_empty()
            && !self.in_transaction()
            && self.status & flags::AUTOCOMMIT != 0
            && state.next_transaction.is_none()
            && self.obstacle().is_none()
            && self.statements.is_empty()
            // Why: columns of a result show the collation that SET NAMES named, and only it can set that.
            && !state.was_set("collation_connection")
            && self.left(false).may_be_shared()
    }

    /// Its connection is given away.
    pub(crate) fn part(&mut self) {
        self.lost();
        self.moved_since_answer = false;
        // Why not always: before its first statement there was nothing to lose.
        self.parting.has_parted |= self.parting.has_run;
        self.parting.is_away = true;
        self.parting.is_answered = false;
        self.parting.has_found = false;
    }

    /// True while it has given its connection away and has no other yet.
    pub(crate) fn is_away(&self) -> bool {
        self.parting.is_away
    }

    /// It has another one.
    pub(super) fn is_back(&mut self) {
        self.parting.is_away = false;
    }

    /// Whether a connection that is tracked already needs nothing else to be this session.
    pub(crate) fn is_bare(&self) -> bool {
        self.state.settings().is_none()
            && self.state.last_insert_id == 0
            && self.state.next_transaction.is_none()
    }

    /// The fault of a statement that asks for what was on a connection that was given away.
    pub(super) fn asks_too_late(&self) -> Option<Fault> {
        let parting = &self.parting;
        if !parting.has_parted {
            return None;
        }
        let marks = self.statement.marks;
        let asks = if marks.has(Marks::FOUND_ROWS) {
            !parting.has_found
        } else {
            marks.has(Marks::LOOKS_BACK) && !parting.is_answered
        };
        let runs = matches!(self.command, code::QUERY | code::STMT_EXECUTE);
        (runs && (asks || has_word(self.text(), PAST))).then_some(Fault::Parted)
    }
}

/// True for statements that FOUND_ROWS() tells of; VALUES, for one, is none (10.11.19).
fn finds(text: &[u8]) -> bool {
    let text = text.trim_ascii_start();
    [&b"select"[..], b"with", b"show"].iter().any(|word| {
        text.get(..word.len())
            .is_some_and(|begins| begins.eq_ignore_ascii_case(word))
    })
}

/// What asks for what the server remembers of a session and tells nobody.
const PAST: &[&[u8]] = &[b"lastval", b"last_gtid", b"previous", b"profile"];
/// What makes it remember that.
const MADE: &[&[u8]] = &[b"nextval", b"next value"];

/// True when one of these is in a text.
fn has_word(text: &[u8], words: &[&[u8]]) -> bool {
    let begins = |rest: &[u8], word: &[u8]| {
        rest.get(..word.len())
            .is_some_and(|part| part.eq_ignore_ascii_case(word))
    };
    (0..text.len())
        .filter(|&at| matches!(text[at] | 0x20, b'l' | b'p' | b'n'))
        .any(|at| words.iter().any(|word| begins(&text[at..], word)))
}

#[cfg(test)]
mod tests {
    use super::super::by_hand::{AUTOCOMMIT, OPEN, World, error, ok, row};
    use super::*;

    fn world() -> World {
        let mut world = World::new(0);
        world.session.may_part();
        world
    }

    #[test]
    fn session_when_it_is_idle_and_has_nothing_parts_and_comes_back() {
        let mut world = world();
        world.run("SELECT a FROM t", &row("5", AUTOCOMMIT));
        assert!(world.session.can_part());
        world.session.part();
        assert!(world.session.is_away() && world.session.is_bare());
        world.session.moved(AUTOCOMMIT);
        assert!(!world.session.is_away());
        world.run("SELECT a FROM t", &row("5", AUTOCOMMIT));
        assert!(world.session.can_part());
    }

    #[test]
    fn session_when_it_has_anything_that_cannot_be_made_again_stays() {
        for (text, answer) in [
            ("BEGIN", ok(0, 0, OPEN)),
            ("SET @a = 1", ok(0, 0, AUTOCOMMIT)),
            ("SET autocommit=0", ok(0, 0, 0)),
            ("CREATE TEMPORARY TABLE x (a INT)", ok(0, 0, AUTOCOMMIT)),
            ("SELECT GET_LOCK('a', 1)", row("1", AUTOCOMMIT)),
            ("SELECT CONNECTION_ID()", row("9", AUTOCOMMIT)),
            ("SELECT ROW_COUNT()", row("0", AUTOCOMMIT)),
            ("SELECT NEXTVAL(s)", row("1", AUTOCOMMIT)),
            ("SELECT @@last_gtid", row("1", AUTOCOMMIT)),
            ("SELECT nothing", error(1054, "Unknown column")),
            ("INSERT INTO t VALUES (7)", ok(1, 7, AUTOCOMMIT)),
            ("SET TRANSACTION READ ONLY", ok(0, 0, AUTOCOMMIT)),
            ("CALL p()", packet_with_warning()),
        ] {
            let mut world = world();
            world.run(text, &answer);
            assert!(!world.session.can_part(), "{text}");
        }
        assert!(!World::new(0).session.can_part(), "nobody has allowed it");
    }

    #[test]
    fn choice_of_what_is_told_when_it_is_first_behind_a_parting_or_a_loss_is_shown_there() {
        for is_lost in [false, true] {
            let mut world = world();
            world.run("SELECT a FROM t", &row("5", AUTOCOMMIT));
            if is_lost {
                world.session.lost();
            } else {
                world.session.part();
            }
            world.begin(3, b"SET session_track_schema=0");
            world.session.moved(AUTOCOMMIT);
            let sent = String::from_utf8(world.launch()).unwrap();
            let view = "SET SESSION session_track_system_variables=DEFAULT";
            assert!(sent.starts_with(view), "{sent}");
            assert!(world.answer(&ok(0, 0, AUTOCOMMIT)).is_empty());
            assert_eq!(world.launch(), b"SET session_track_schema=0");
        }
    }

    fn packet_with_warning() -> Vec<u8> {
        let [low, high] = AUTOCOMMIT.to_le_bytes();
        wire::packet::packet(1, &[0, 0, 0, low, high, 1, 0])
    }

    #[test]
    fn warnings_when_they_may_still_be_shown_keep_the_connection() {
        let mut world = world();
        world.run("UPDATE t SET a = 'x'", &packet_with_warning());
        assert!(!world.session.can_part());
        world.run("SELECT 1", &row("1", AUTOCOMMIT));
        assert!(!world.session.can_part(), "SELECT 1 does not forget them");
        world.run("UPDATE t SET a = 5", &ok(1, 0, AUTOCOMMIT));
        assert!(world.session.can_part());
    }

    #[test]
    fn statement_when_it_is_the_sessions_first_has_nothing_to_ask_for() {
        let mut world = world();
        world.session.part();
        world.session.moved(AUTOCOMMIT);
        world.run("SELECT ROW_COUNT()", &row("0", AUTOCOMMIT));
    }

    #[test]
    fn statement_when_it_asks_for_what_was_given_away_is_told_so() {
        for (text, between, is_told) in [
            ("SELECT FOUND_ROWS()", None, true),
            ("SELECT FOUND_ROWS()", Some("SELECT a FROM t"), false),
            ("SELECT FOUND_ROWS()", Some("UPDATE t SET a = 1"), true),
            ("SELECT ROW_COUNT()", None, true),
            ("SELECT ROW_COUNT()", Some("UPDATE t SET a = 1"), false),
            ("SELECT LASTVAL(s)", Some("SELECT a FROM t"), true),
            ("SELECT NEXTVAL(s)", None, false),
            ("SELECT a FROM t", None, false),
        ] {
            let mut world = world();
            world.run("UPDATE t SET a = 5", &ok(1, 0, AUTOCOMMIT));
            world.session.part();
            world.session.moved(AUTOCOMMIT);
            if let Some(between) = between {
                let answer = if between.starts_with("SELECT") {
                    row("5", AUTOCOMMIT)
                } else {
                    ok(1, 0, AUTOCOMMIT)
                };
                world.run(between, &answer);
            }
            world.begin(3, text.as_bytes());
            let told = world.session.launch().map(|_| ());
            assert_eq!(
                told.err() == Some(Fault::Parted),
                is_told,
                "{text} {between:?}"
            );
        }
    }
}
