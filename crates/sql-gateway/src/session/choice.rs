//! A client that says itself what it wants to hear of its session's changes (`session_track_…`): every one with MariaDB's Java connector.
//! The server tells this gateway all the same, and the client what it chose.
//!
//! While a statement runs that says or asks what is tracked, the session on the server is as the client made it. Then the
//! gateway asks what was chosen, sets what it needs for itself, and has the server name what that statement may
//! have set: a new choice makes the server forget what it had to tell (10.11.19). All in statements that are answered with OK and leave nothing for the next one to ask for.

use std::collections::VecDeque;
use std::fmt::Write as _;

use wire::command::{Shape, code};
use wire::flags;
use wire::packet::HEADER;
use wire::reply::{Change, OkPacket, changes};
use wire::statement::{Kind, Marks, Verdict};
use wire::walk::{Kind as Met, Walker};

use super::assigned::Assigned;
use super::state::{self, Pins};
use super::{Phase, Session};

/// How all variables begin that say what is told.
const NAMED: &[u8] = b"session_track_";

/// What a client wants to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    /// Names of variables, with commas; `*`: all.
    variables: Box<str>,
    schema: bool,
    state: bool,
    /// What is told of transactions: nobody else asks for that.
    transaction: bool,
}

/// A statement of the gateway's own that is not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owed {
    /// Something else.
    Plain,
    /// To the client's choice, before its statement.
    View,
    /// What it chose.
    Chosen,
    /// Back to what the gateway tracks.
    Back,
}

/// A statement of the client that says or asks what is told.
#[derive(Debug)]
pub(super) struct Choosing {
    owed: VecDeque<Owed>,
    /// What it may have set, for [`Owed::Back`]; `None`: it asks only.
    sets: Option<Vec<String>>,
    /// What it chose, once that is known.
    chosen: Option<Choice>,
    /// The statement was answered, and what it left behind is not known yet.
    is_unknown: bool,
    was_untracked: bool,
}

impl Choice {
    fn wants(&self, change: Change<'_>) -> bool {
        match change {
            Change::Variable(name, _) => {
                let mut names = self.variables.split(',');
                names.any(|known| known == "*" || known.as_bytes() == name)
            }
            Change::Database(_) => self.schema,
            Change::Something => self.state,
        }
    }

    /// What the server says of it: the four variables, the first with their names added.
    fn read(reported: &[u8]) -> Option<Self> {
        let value = |wanted: &str| {
            changes(reported).find_map(|change| match change {
                Change::Variable(name, value) if name == wanted.as_bytes() => {
                    std::str::from_utf8(value).ok()
                }
                _ => None,
            })
        };
        let names = value("session_track_system_variables")?.split(',');
        let variables: Vec<&str> = names
            .filter(|name| !name.as_bytes().starts_with(NAMED))
            .collect();
        let variables = variables.join(",");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ',' | '*');
        variables.chars().all(plain).then_some(())?;
        Some(Self {
            variables: variables.into(),
            schema: value("session_track_schema")? == "ON",
            state: value("session_track_state_change")? == "ON",
            transaction: value("session_track_transaction_info")? != "OFF",
        })
    }
}

impl Session {
    /// A statement begins that is no plain read. Does it say or ask what is told?
    pub(super) fn note_choice(&mut self) {
        let speaks = matches!(
            self.statement.kind,
            Kind::Set
                | Kind::SetNames
                | Kind::SetStatement
                | Kind::Select
                | Kind::Show
                | Kind::Other
        );
        if !speaks || self.statement.verdict() == Verdict::Anywhere || !self.names_tracking() {
            return;
        }
        if self.is_away() {
            // As behind any other move: see `shows_choice_late`.
            self.moved_since_answer = true;
        }
        // Why not when there is no connection: the next one is set up by statements of its own.
        if !self.moved_since_answer && !self.replay.is_planned() {
            self.show_choice();
        }
    }

    /// The same when the statement goes to a connection that was not there, or did not know it, when it began. True: it waits.
    #[cold]
    pub(super) fn shows_choice_late(&mut self) -> bool {
        let runs = matches!(self.command, code::QUERY | code::STMT_EXECUTE);
        // Why not yet: a transaction before it is run again first.
        let is_later = self.replay.is_planned() || self.replay.runs();
        if runs && !is_later && self.choosing.is_none() && self.phase == Phase::Ready {
            let moved = std::mem::take(&mut self.moved_since_answer);
            self.note_choice();
            self.moved_since_answer = moved;
        }
        self.phase == Phase::Preparing
    }

    fn names_tracking(&self) -> bool {
        let text = self.wording().unwrap_or_default();
        text.windows(NAMED.len())
            .any(|part| part.eq_ignore_ascii_case(NAMED))
    }

    /// Before that statement: the session on the server is as the client made it.
    #[cold]
    fn show_choice(&mut self) {
        if self.state.is_natural {
            return;
        }
        if self.choosing.is_some() {
            // What the one before it chose is not known yet.
            self.phase = Phase::Preparing;
            return;
        }
        let several = self
            .statement
            .marks
            .has(Marks(Marks::MULTI.0 | Marks::CUT.0));
        let backslash = self.status & flags::NO_BACKSLASH_ESCAPES == 0;
        let text = self.wording().unwrap_or_default();
        let sets = match self.statement.kind {
            Kind::Select | Kind::Show if !several => Some(None),
            Kind::Set if !several => Assigned::of(text, backslash).map(|it| Some(it.0)),
            _ => None,
        };
        let mut choosing = Box::new(Choosing {
            owed: VecDeque::new(),
            sets: None,
            chosen: self.state.choice.as_deref().cloned(),
            is_unknown: false,
            was_untracked: self.state.pins.has(Pins::UNTRACKED),
        });
        if self.swallow.is_some() {
            choosing.owed.push_back(Owed::Plain);
        }
        match sets {
            Some(sets) => {
                choosing.sets = sets;
                self.statement.marks.add(Marks::TRACKING);
            }
            // Why: nobody can tell what it does; from now on the client hears what the server says.
            None => {
                self.state.is_natural = true;
            }
        }
        self.replay.spoil();
        // Why: until its settings are known nobody can make this session anew, nor read for it elsewhere.
        self.state.pins.add(Pins::UNTRACKED);
        let view = self.view();
        self.choosing = Some(choosing);
        self.owes(Owed::View, &view);
        self.phase = Phase::Preparing;
    }

    fn view(&self) -> String {
        let on = |yes: bool| if yes { "1" } else { "0" };
        let (variables, schema, state) = match &self.state.choice {
            Some(choice) => (
                format!("'{}'", choice.variables),
                on(choice.schema),
                on(choice.state),
            ),
            None => ("DEFAULT".to_owned(), "DEFAULT", "DEFAULT"),
        };
        format!(
            "SET SESSION session_track_system_variables={variables}, session_track_schema={schema}, session_track_state_change={state}"
        )
    }

    fn owes(&mut self, owed: Owed, text: &str) {
        self.to_server
            .extend_from_slice(&state::query(text.as_bytes()));
        if self.swallow.is_none() {
            self.swallow = Some(Box::new(Walker::new(Shape::Simple, self.deprecate_eof)));
        }
        if let Some(choosing) = &mut self.choosing {
            choosing.owed.push_back(owed);
        }
    }

    /// That statement has been answered.
    #[cold]
    pub(super) fn chose(&mut self) {
        let Some(choosing) = &mut self.choosing else {
            return;
        };
        let asks = choosing.sets.is_some();
        choosing.is_unknown = asks;
        let mut back = state::TRACKING.to_owned();
        for name in choosing.sets.iter().flatten() {
            let _ = write!(back, ", @@session.{name}=@@session.{name}");
        }
        if asks {
            self.owes(
                Owed::Chosen,
                // Why not one list for all: no name may stand behind `*`.
                "SET SESSION session_track_system_variables=\
                 IF(@@session.session_track_system_variables='*', '*', \
                 CONCAT(@@session.session_track_system_variables, \
                 IF(@@session.session_track_system_variables='', '', ','), \
                 'session_track_system_variables,session_track_schema,session_track_state_change,session_track_transaction_info')), \
                 session_track_schema=@@session.session_track_schema, \
                 session_track_state_change=@@session.session_track_state_change, \
                 session_track_transaction_info=@@session.session_track_transaction_info",
            );
        }
        self.owes(Owed::Back, &back);
    }

    /// The connection is gone: the next one tells what this gateway tracks, until the client says otherwise again.
    pub(super) fn loses_choice(&mut self) {
        if let Some(choosing) = self.choosing.take()
            && !choosing.is_unknown
            && !choosing.was_untracked
            && !self.state.is_natural
        {
            self.state.pins.remove(Pins::UNTRACKED);
        }
    }

    /// A statement of the gateway's own has been answered. `met`: its last packet.
    pub(super) fn hushed(&mut self, kind: Option<Met>, met: &[u8]) {
        let Some(choosing) = &mut self.choosing else {
            return;
        };
        let owed = choosing.owed.pop_front().unwrap_or(Owed::Plain);
        let more = !choosing.owed.is_empty();
        let ok = matches!(kind, Some(Met::Ok(_)))
            .then(|| OkPacket::parse(met.get(HEADER..).unwrap_or_default()).ok())
            .flatten();
        match (owed, ok) {
            (Owed::Chosen, Some(ok)) => choosing.chosen = Choice::read(ok.changes),
            (Owed::Back, Some(ok)) => {
                let (chosen, was) = (choosing.chosen.take(), choosing.was_untracked);
                self.choosing = None;
                self.knows_choice(chosen, was, ok.changes);
                if self.phase == Phase::Preparing {
                    self.phase = Phase::Ready;
                    self.note_choice();
                }
                return;
            }
            (_, None) => self.state.is_natural = true,
            _ => {}
        }
        if more {
            self.swallow = Some(Box::new(Walker::new(Shape::Simple, self.deprecate_eof)));
            return;
        }
        // Why whatever it does meanwhile: the next choice would wait for an answer that nobody owes.
        if self.state.is_natural {
            self.choosing = None;
        }
        if self.phase == Phase::Preparing {
            self.phase = Phase::Ready;
        }
    }

    /// What was chosen, and what the server says of what that statement may have set.
    fn knows_choice(&mut self, chosen: Option<Choice>, was_untracked: bool, reported: &[u8]) {
        let is_told = chosen.as_ref().is_some_and(|choice| choice.transaction);
        let is_known = chosen.is_some() || self.state.choice.is_none();
        for change in changes(reported) {
            match change {
                Change::Variable(name, value) if !name.starts_with(NAMED) => {
                    self.state.variable(name, value);
                }
                _ => {}
            }
        }
        self.state.choice = chosen.map(Box::new);
        // Why not always: only the primary tells of its transactions.
        if is_known && !is_told && !was_untracked {
            self.state.pins.remove(Pins::UNTRACKED);
        }
    }

    /// The OK of a client that has chosen; `None`: it has not.
    pub(super) fn chosen_of(&self, ok: &OkPacket<'_>) -> Option<Vec<u8>> {
        let choice = self.state.choice.as_deref()?;
        if choice.transaction && ok.changes.is_empty() {
            // Why: SET TRANSACTION is told by the flag alone (10.11.19).
            return Some(ok.with_flag_only());
        }
        Some(ok.with_changes_wanted(|change| choice.wants(change)))
    }

    /// True when it has chosen to hear that anything changed.
    pub(super) fn hears_of_anything(&self) -> bool {
        self.state
            .choice
            .as_deref()
            .is_some_and(|choice| choice.state || choice.transaction)
    }

    /// True while the session on the server is as the client made it.
    pub(super) fn is_natural(&self) -> bool {
        self.state.is_natural || self.choosing.is_some()
    }
}
