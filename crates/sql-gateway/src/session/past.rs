//! What a statement asks about those before it (FOUND_ROWS, ROW_COUNT, warnings), and on which of the session's connections
//! that is. What is on the replica is carried to the primary when a statement that must run there asks for it.

use wire::command::{Shape, code};
use wire::statement::{Kind, Marks, Verdict};
use wire::walk::{Kind as Packet, Walker};

use super::preparing::swallow;
use super::replica::Owed;
use super::side::Side;
use super::{Phase, Session, answer, state};

/// More rows found than this are not carried: it takes the server 0.1 s to find a million (10.11.19).
const MAX_ROWS: u64 = 1_000_000;
/// Where a SELECT in a change is looked for.
const HEAD: usize = 1024;

/// What one session remembers of it.
#[derive(Debug, Default)]
pub(super) struct Past {
    /// Where the statement before ran, and whether it failed: ROW_COUNT.
    pub(super) last: Side,
    has_failed: bool,
    /// Where the last one ran that FOUND_ROWS asks about.
    pub(super) found: Side,
    /// Where the last one ran whose warnings can be shown, and whether it had any.
    warned: Side,
    has_warnings: bool,
    /// The current statement's answer has warnings.
    warns: bool,
    /// FOUND_ROWS of the replica, asked for the current statement.
    rows: Option<u64>,
    /// The primary is being told what the current statement asks for; it could not be.
    is_carrying: bool,
    failed: bool,
}

/// What a statement asks for that is on the replica, when it cannot run there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Burden {
    /// Nothing.
    Nothing,
    /// Something that cannot be carried.
    TooMuch,
    /// FOUND_ROWS, which the replica has not told yet.
    Unknown,
    /// This: `rows` of the replica, else the primary keeps its own; with `count` it keeps its ROW_COUNT, too.
    Known { rows: Option<u64>, count: bool },
}

#[derive(Clone, Copy)]
struct Asks {
    rows: bool,
    count: bool,
    warnings: bool,
}

impl Past {
    /// The answer has these many warnings.
    pub(super) fn warns(&mut self, warnings: u16) {
        self.warns |= warnings != 0;
    }

    /// The current statement is over.
    pub(super) fn settle(&mut self) {
        (self.rows, self.is_carrying, self.failed) = (None, false, false);
    }

    /// True while the primary is being told.
    pub(super) fn is_carrying(&self) -> bool {
        self.is_carrying
    }
}

impl Session {
    fn asks(&self) -> Asks {
        let text = self.wording();
        let says = |word: &[u8]| text.is_none_or(|text| has(text, word));
        Asks {
            rows: self.statement.marks.has(Marks::FOUND_ROWS),
            count: says(b"row_count"),
            warnings: says(b"warning") || says(b"error") || says(b"diagnostics"),
        }
    }

    /// Whether a statement that looks back looks at the primary, and at the replica.
    pub(super) fn looks_at(&self) -> (bool, bool) {
        let past = &self.past;
        if past.found == past.last && past.last == past.warned {
            let there = past.last == Side::Replica;
            return (!there, there);
        }
        let asks = self.asks();
        let of = |side| {
            asks.rows && past.found == side
                || asks.count && past.last == side
                || asks.warnings && past.warned == side
        };
        (of(Side::Primary), of(Side::Replica))
    }

    /// True when a statement that only looks back is answered by the replica as by a server that ran all.
    pub(super) fn is_told_there(&self) -> bool {
        let (here, there) = self.looks_at();
        let past = &self.past;
        // Why: after a failure ROW_COUNT() is -1, and so it is behind the replica's last result.
        let is_failure = || {
            past.found == Side::Replica
                && past.last == Side::Primary
                && past.has_failed
                && !self.asks().warnings
        };
        there && (!here || is_failure())
    }

    /// What must be carried to the primary before the statement runs there.
    pub(super) fn burden(&self) -> Burden {
        if self.past.failed {
            return Burden::TooMuch;
        }
        let looks_back = self.statement.marks.has(Marks::LOOKS_BACK);
        if !looks_back || !self.looks_at().1 || self.looks_at_itself() {
            return Burden::Nothing;
        }
        let (asks, past) = (self.asks(), &self.past);
        let rows_there = asks.rows && past.found == Side::Replica;
        let count_here = asks.count && past.last == Side::Primary;
        let lost = asks.warnings && past.has_warnings || count_here && past.has_failed;
        let rows = past.rows.filter(|_| rows_there);
        if lost || rows.is_some_and(|rows| rows > MAX_ROWS) {
            Burden::TooMuch
        } else if rows_there && rows.is_none() {
            Burden::Unknown
        } else {
            Burden::Known {
                rows,
                count: count_here,
            }
        }
    }

    /// Asks the replica how many rows were found; false when it cannot be asked.
    pub(crate) fn ask_elsewhere(&mut self) -> bool {
        let is_ready = |it: &&mut Box<super::replica::Replica>| it.owed.is_empty() && !it.is_unfit;
        let Some(replica) = self.replica.as_mut().filter(is_ready) else {
            self.tied = true;
            return false;
        };
        let question = state::query(b"SELECT FOUND_ROWS()");
        replica.outbox.extend_from_slice(&question);
        replica.owed.push_back(Owed::Rows);
        self.walker = Walker::new(Shape::Nothing, self.deprecate_eof);
        self.side = Side::Replica;
        self.sent = true;
        self.phase = Phase::Flight;
        true
    }

    /// The replica has said how many rows were found, if it could.
    pub(super) fn take_rows(&mut self, rows: Option<u64>) {
        if self.phase == Phase::Flight && self.side == Side::Replica {
            self.past.rows = rows;
        }
    }

    /// Tells the primary what the statement asks for, ahead of it.
    pub(super) fn carry(&mut self, rows: Option<u64>, count: bool) {
        let text = as_found(rows, count);
        self.to_server
            .extend_from_slice(&state::query(text.as_bytes()));
        self.walker = Walker::new(Shape::Query, self.deprecate_eof);
        self.past.is_carrying = true;
        self.phase = Phase::Preparing;
    }

    /// The primary's answer to that.
    pub(super) fn carrying_step(&mut self, input: &[u8]) -> Result<answer::Given, answer::Refusal> {
        let (used, kind, _) = swallow(&mut self.walker, input)?;
        self.past.failed |= kind == Some(Packet::Err);
        if self.walker.done() {
            let past = &mut self.past;
            past.is_carrying = false;
            (past.last, past.found, past.warned) = Default::default();
            (past.has_failed, past.has_warnings) = (false, false);
            self.phase = Phase::Ready;
        }
        Ok(answer::Given { used, pass: 0 })
    }

    /// After a statement: which side can be asked about it.
    pub(super) fn remember_side(&mut self) {
        let warns = std::mem::take(&mut self.past.warns) || self.failed;
        // Why: on one server, too, these leave alone what a statement behind them asks about.
        let is_silent = matches!(
            self.command,
            code::STMT_PREPARE | code::STMT_CLOSE | code::STMT_RESET | code::PING
        );
        if is_silent && !self.failed {
            return;
        }
        (self.past.last, self.past.has_failed) = (self.side, self.failed);
        if self.past.found != self.side && !self.failed && self.finds() {
            self.past.found = self.side;
        }
        if warns || self.past.warned != self.side && !self.keeps_warnings() {
            self.past.warned = self.side;
        }
        if self.past.warned == self.side {
            // Why not forgotten by what keeps them: they can still be shown.
            self.past.has_warnings = warns || self.past.has_warnings && self.keeps_warnings();
        }
    }

    /// FOUND_ROWS() is about it from now on. Measured on 10.11.19: not about VALUES, nor about what failed before its result
    /// began; but about a SELECT in a change.
    fn finds(&self) -> bool {
        let text = self.wording().unwrap_or_default();
        let head = &text[..text.len().min(HEAD)];
        match self.statement.kind {
            Kind::Select => !head
                .trim_ascii_start()
                .get(..6)
                .is_some_and(|word| word.eq_ignore_ascii_case(b"values")),
            Kind::Show => self.statement.verdict() != Verdict::Follows,
            Kind::Other => true,
            Kind::Change | Kind::Set => has(head, b"select"),
            _ => self.statement.marks.has(Marks::MULTI),
        }
    }

    /// What has no table leaves the warnings of what was before it (10.11.19).
    fn keeps_warnings(&self) -> bool {
        match self.statement.kind {
            Kind::Select => {
                let text = self.wording().unwrap_or_default();
                !has(text, b"from") && !has(text, b"table")
            }
            Kind::Show => self.statement.marks.has(Marks::LOOKS_BACK),
            Kind::Change | Kind::Definition | Kind::Other => false,
            _ => true,
        }
    }
}

/// SQL after which FOUND_ROWS() is `rows`, or what it was, and ROW_COUNT() is -1, or what it was. Why a table of JSON: it needs neither a
/// default database nor a right. Why the block: its ROW_COUNT() is the sum of what ran in it, and opening a cursor adds none (10.11.19).
fn as_found(rows: Option<u64>, count: bool) -> String {
    let rows = rows.map_or_else(|| "FOUND_ROWS()".to_owned(), |rows| rows.to_string());
    let found = format!(
        "SELECT SQL_CALC_FOUND_ROWS 1 FROM JSON_TABLE(IF({rows}>{MAX_ROWS},(SELECT 1 UNION SELECT 2),\
         IF({rows}>0,CONCAT('[',REPEAT('0,',{rows}-1),'0]'),'[]')),'$[*]' COLUMNS(x FOR ORDINALITY)) j LIMIT 0"
    );
    if !count {
        return found;
    }
    format!(
        "BEGIN NOT ATOMIC DECLARE n INT DEFAULT ROW_COUNT(); DECLARE x INT; DECLARE c CURSOR FOR {found}; \
         IF n>{MAX_ROWS} THEN SET n=(SELECT 1 UNION SELECT 2); END IF; \
         FOR i IN 1..n DO SELECT 1 INTO x; END FOR; OPEN c; CLOSE c; END"
    )
}

/// True when the word is in the text, in any case, also as a part of another word.
pub(super) fn has(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len())
        .any(|part| part.eq_ignore_ascii_case(word))
}
