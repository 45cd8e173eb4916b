//! How fresh reads must be: whether they may run on a replica, and what they wait for there.
//!
//! `Site` promises: a read sees every write that was acknowledged to anybody, through any gateway, before the read came.
//! No gateway knows what goes through the others, so the primary is asked: how far its binlog is, by a question that is
//! sent after the read came. A transaction is in the binlog before it is acknowledged, so the answer covers it. One
//! question serves all reads that came before it was sent; at most one is under way per thread. The answer counts only
//! while the route may be believed (`lease.rs`): a primary that was replaced must not say how far "everything" is.
//!
//! Positions that the primary tells have numbers, and what a replica is known to have is told by such a number: as long as
//! nobody writes, a read compares two of them and nothing else.

use std::cell::OnceCell;
use std::fmt::Write as _;
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use wire::gtid::{Gtid, NotAPosition, Position};

/// Which writes a read must see, wherever it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Freshness {
    /// All that the primary has: no read goes to a replica.
    #[serde(rename = "primary")]
    Primary,
    /// All that were acknowledged to anybody before it, through any gateway.
    #[default]
    #[serde(rename = "site")]
    Site,
    /// Those of its own connection.
    #[serde(rename = "connection")]
    Connection,
    /// None in particular.
    #[serde(rename = "none")]
    Nothing,
}

/// The question to the primary; one row, one column.
pub(crate) const QUESTION: &str = "SELECT @@gtid_binlog_pos";

/// A longer position is not waited for.
const MAX_WAIT: usize = 512;

/// Which question's answer is enough for a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(u64);

/// How far the primary is, as far as one thread has asked.
#[derive(Debug, Default)]
pub(crate) struct Horizon {
    epoch: u64,
    asked: u64,
    under_way: Option<u64>,
    answered: u64,
    position: Position,
    /// How the primary wrote it; `None`: nothing was heard in this epoch.
    text: Option<Vec<u8>>,
    /// Its number: another position, another number. 0: none.
    number: u64,
    /// The statement that waits for it.
    wait: OnceCell<Rc<str>>,
}

impl Horizon {
    /// A read has come: a question that is sent from now on is enough for it.
    pub(crate) fn ticket(&self) -> Ticket {
        Ticket(self.asked + 1)
    }

    /// True when the question must be sent now, so that this read can go on.
    pub(crate) fn must_ask(&self, ticket: Ticket) -> bool {
        self.answered < ticket.0 && self.under_way.is_none()
    }

    /// The question is sent now, to the primary of this epoch. Returns its number.
    pub(crate) fn ask(&mut self, epoch: u64) -> u64 {
        if self.epoch != epoch {
            // Why: what reads the same is another history.
            self.text = None;
        }
        self.epoch = epoch;
        self.asked += 1;
        self.under_way = Some(self.asked);
        self.asked
    }

    /// The answer to a question has come, while the route of `epoch` may be believed: a position, as text.
    pub(crate) fn answer(
        &mut self,
        question: u64,
        epoch: u64,
        text: &[u8],
    ) -> Result<(), NotAPosition> {
        if self.under_way != Some(question) || epoch != self.epoch {
            return Ok(());
        }
        if self.text.as_deref() != Some(text) {
            self.position = String::from_utf8_lossy(text).parse()?;
            self.text = Some(text.to_vec());
            self.number += 1;
            self.wait = OnceCell::new();
        }
        self.under_way = None;
        self.answered = question;
        Ok(())
    }

    /// The question under way gets no answer that counts: another must be sent.
    pub(crate) fn lose(&mut self) {
        self.under_way = None;
    }

    /// The question that was answered last.
    pub(crate) fn answered(&self) -> u64 {
        self.answered
    }

    /// What this read must see, once it is known.
    pub(crate) fn position(&self, ticket: Ticket) -> Option<&Position> {
        (self.answered >= ticket.0).then_some(&self.position)
    }

    /// The last answer; empty when there was none.
    pub(crate) fn last(&self) -> &Position {
        &self.position
    }

    /// The statement that waits for the position; `limit` is always the same.
    fn wait(&self, limit: Duration) -> Need {
        let wait = || wait(&self.position, limit).into();
        need(Rc::clone(self.wait.get_or_init(wait)))
    }
}

/// How far a replica is, as far as is known.
#[derive(Debug, Default)]
pub(crate) struct Reach {
    position: Position,
    /// The number of the last position of the primary's that it is known to have.
    has: u64,
}

impl Reach {
    /// True when it is known to have all of this.
    pub(crate) fn covers(&self, position: &Position) -> bool {
        self.position.covers(position)
    }

    /// It says so itself. Why not the greater of both: it may have another history than in the epoch before.
    pub(crate) fn told(&mut self, position: &Position) {
        self.position.clone_from(position);
        self.has = 0;
    }

    /// A read that waited there for the answer to this question was answered.
    pub(crate) fn heard(&mut self, horizon: &Horizon, question: u64) {
        if horizon.answered == question && !self.has(horizon) {
            self.position.clone_from(&horizon.position);
            self.has = horizon.number;
        }
    }

    /// It has all that the primary has told last.
    fn has(&mut self, horizon: &Horizon) -> bool {
        if self.has != horizon.number && self.position.covers(&horizon.position) {
            self.has = horizon.number;
        }
        self.has == horizon.number
    }
}

/// What stands between a read and a replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// Nothing: it may be sent.
    Nothing,
    /// This statement goes ahead of it.
    Wait(Rc<str>),
    /// The primary must answer first how far it is.
    Answer,
    /// It goes to the primary: what it must see cannot be waited for.
    Primary,
}

impl Freshness {
    /// The same for a session of which it is known, or not, what it has written.
    pub(crate) fn of(self, knows_its_writes: bool) -> Self {
        match self {
            Self::Connection if !knows_its_writes => Self::Site,
            as_it_is => as_it_is,
        }
    }

    /// What a read needs. `wrote`: by its own connection. `reach`: of the replica. `limit`: the longest wait.
    pub(crate) fn need(
        self,
        (horizon, ticket): (&Horizon, Ticket),
        wrote: Option<Gtid>,
        reach: &mut Reach,
        limit: Duration,
    ) -> Need {
        let others = match self {
            Self::Primary => return Need::Primary,
            Self::Nothing => return Need::Nothing,
            Self::Connection => None,
            Self::Site => match horizon.position(ticket) {
                None => return Need::Answer,
                position => position,
            },
        };
        let is_in =
            |gtid: Gtid, position: &Position| position.sequence(gtid.domain) >= gtid.sequence;
        let has_own = wrote.is_none_or(|gtid| is_in(gtid, &reach.position));
        let has_others = others.is_none() || reach.has(horizon);
        if has_own && has_others {
            return Need::Nothing;
        }
        let own: Position = wrote.into_iter().collect();
        match others {
            Some(position) if position.covers(&own) => horizon.wait(limit),
            Some(position) => need(wait(&position.joined(&own), limit).into()),
            None => need(wait(&own, limit).into()),
        }
    }
}

fn need(wait: Rc<str>) -> Need {
    if wait.len() > MAX_WAIT {
        return Need::Primary;
    }
    Need::Wait(wait)
}

fn wait(position: &Position, limit: Duration) -> String {
    let mut wait = String::new();
    let seconds = limit.as_secs_f64();
    let _ = write!(wait, "SELECT MASTER_GTID_WAIT('{position}',{seconds:.3})");
    wait
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Position {
        text.parse().unwrap()
    }

    fn need(freshness: Freshness, horizon: &Horizon, ticket: Ticket, reached: &str) -> Need {
        let wrote = Some("0-1-5".parse().unwrap());
        let limit = Duration::from_millis(100);
        let mut reach = Reach::default();
        reach.told(&at(reached));
        freshness.need((horizon, ticket), wrote, &mut reach, limit)
    }

    #[test]
    fn a_read_when_the_question_was_sent_before_it_came_needs_another_answer() {
        let mut horizon = Horizon::default();
        let early = horizon.ticket();
        assert!(horizon.must_ask(early));
        assert!(QUESTION.ends_with("@@gtid_binlog_pos"));
        let question = horizon.ask(3);
        let late = horizon.ticket();
        assert!(!horizon.must_ask(late), "one is under way");
        horizon.answer(question, 3, b"0-1-9").unwrap();
        assert_eq!(horizon.position(early), Some(&at("0-1-9")));
        assert_eq!(horizon.position(late), None);
        assert!(horizon.must_ask(late));
        let question = horizon.ask(3);
        horizon.answer(question, 3, b"0-1-12").unwrap();
        assert_eq!(horizon.position(late), Some(&at("0-1-12")));
        assert_eq!(horizon.position(early), Some(&at("0-1-12")));
    }

    #[test]
    fn an_answer_when_it_is_lost_or_of_another_primary_does_not_count() {
        let mut horizon = Horizon::default();
        let ticket = horizon.ticket();
        let lost = horizon.ask(3);
        horizon.lose();
        assert_eq!(horizon.position(ticket), None);
        assert!(horizon.must_ask(ticket));
        let next = horizon.ask(4);
        horizon.answer(lost, 3, b"0-1-9").unwrap();
        horizon.answer(next, 3, b"0-1-9").unwrap();
        assert_eq!(horizon.position(ticket), None);
        horizon.answer(next, 4, b"0-2-10").unwrap();
        assert_eq!(horizon.position(ticket), Some(&at("0-2-10")));
    }

    #[test]
    fn a_read_when_the_replica_is_known_to_be_far_enough_waits_for_nothing() {
        let mut horizon = Horizon::default();
        let ticket = horizon.ticket();
        assert_eq!(
            need(Freshness::Site, &horizon, ticket, "0-1-99"),
            Need::Answer
        );
        let question = horizon.ask(1);
        horizon.answer(question, 1, b"0-1-9").unwrap();
        assert_eq!(
            need(Freshness::Site, &horizon, ticket, "0-1-9"),
            Need::Nothing
        );
        let wait = Need::Wait("SELECT MASTER_GTID_WAIT('0-1-9',0.100)".into());
        assert_eq!(need(Freshness::Site, &horizon, ticket, "0-1-8"), wait);
        let wait = Need::Wait("SELECT MASTER_GTID_WAIT('0-1-5',0.100)".into());
        assert_eq!(need(Freshness::Connection, &horizon, ticket, ""), wait);
        assert_eq!(
            need(Freshness::Connection, &horizon, ticket, "0-1-8"),
            Need::Nothing
        );
        assert_eq!(
            need(Freshness::Nothing, &horizon, ticket, ""),
            Need::Nothing
        );
        assert_eq!(
            need(Freshness::Primary, &horizon, ticket, "0-1-9"),
            Need::Primary
        );
    }

    #[test]
    fn a_replica_when_it_was_waited_for_has_what_was_told_until_more_is() {
        let mut horizon = Horizon::default();
        let mut reach = Reach::default();
        let limit = Duration::from_millis(100);
        let told = |horizon: &mut Horizon, epoch, text: &[u8]| {
            let question = horizon.ask(epoch);
            horizon.answer(question, epoch, text).unwrap();
            question
        };
        let need = |horizon: &Horizon, reach: &mut Reach| {
            Freshness::Site.need((horizon, Ticket(0)), None, reach, limit)
        };
        let question = told(&mut horizon, 1, b"0-1-9");
        assert!(matches!(need(&horizon, &mut reach), Need::Wait(_)));
        reach.heard(&horizon, question - 1);
        assert!(matches!(need(&horizon, &mut reach), Need::Wait(_)));
        reach.heard(&horizon, question);
        assert_eq!(need(&horizon, &mut reach), Need::Nothing);
        told(&mut horizon, 1, b"0-1-9");
        assert_eq!(need(&horizon, &mut reach), Need::Nothing);
        told(&mut horizon, 1, b"0-1-10");
        assert!(matches!(need(&horizon, &mut reach), Need::Wait(_)));
        reach.told(&at("0-1-10"));
        assert_eq!(need(&horizon, &mut reach), Need::Nothing);
        reach.told(&at("0-1-8"));
        assert!(matches!(need(&horizon, &mut reach), Need::Wait(_)));
        let number = horizon.number;
        told(&mut horizon, 2, b"0-1-10");
        assert_ne!(horizon.number, number, "another history reads the same");
        assert!(horizon.answer(99, 2, b"nonsense").is_ok(), "nobody asked");
        let question = horizon.ask(2);
        assert!(horizon.answer(question, 2, b"nonsense").is_err());
    }
}
