//! A write that was in flight when its primary died: not guessed but asked for. What it did is told when the new
//! primary's binlog says enough; what never happened is run again.

use wire::codec::put_length;
use wire::command::{self, code};
use wire::flags;
use wire::outcome::{Effect, Outcome, Question};
use wire::packet::packet;
use wire::statement::Kind;
use wire::tag::Tag;

use super::transcript::Writes;
use super::{Phase, Session, Transaction};
use crate::fault::Fault;

/// Words of statements whose OK tells what their rows do not (or that answer with rows).
const TELL_MORE: [&[u8]; 3] = [b"returning", b"duplicate", b"ignore"];

/// What is asked, and of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    pub(super) question: Question,
    /// A COMMIT, else a statement of its own.
    commit: bool,
    /// All its writes carry the mark: without it, it is not there.
    certain: bool,
}

impl Session {
    /// The statement in flight is lost. True when it can be asked what became of it (or when that is clear), and
    /// the session has turned to that.
    pub(super) fn doubts(&mut self, before: Transaction) -> bool {
        let asks = matches!(self.command, code::QUERY | code::STMT_EXECUTE);
        if self.delivered || !asks || !self.request.is_kept() || !self.signer.is_on() {
            return false;
        }
        let autocommit = self.status & flags::AUTOCOMMIT != 0;
        let (tag, commit, certain) = match (before, self.statement.kind) {
            (Transaction::None, Kind::Change) if autocommit => {
                let Some(tag) = self.own_mark() else {
                    return false;
                };
                if self.remembers() {
                    return false;
                }
                if self.command != code::QUERY && !self.signer.sees() {
                    return false;
                }
                (tag, false, true)
            }
            (Transaction::Open | Transaction::Maybe, Kind::Rollback)
                if is_bare(self.text(), "rollback") =>
            {
                self.answer_ok(0, 0);
                return true;
            }
            (Transaction::Open | Transaction::Maybe, Kind::Commit)
                if is_bare(self.text(), "commit") =>
            {
                let certain = match self.replay.writes() {
                    Writes::None => {
                        self.answer_ok(0, 0);
                        return true;
                    }
                    Writes::Marked => true,
                    Writes::Both => false,
                    Writes::Unmarked => return false,
                };
                let Some(tag) = self.signer.any() else {
                    return false;
                };
                (tag, true, certain)
            }
            _ => return false,
        };
        let since = self.signer.since();
        self.doubt = Some(Box::new(Doubt {
            question: Question { tag, since },
            commit,
            certain,
        }));
        self.phase = Phase::Doubt;
        true
    }

    /// The mark on the current statement.
    pub(super) fn own_mark(&self) -> Option<Tag> {
        self.signer.mark(self.text())
    }

    /// The answer to [`super::Want::Ask`]. Only from a primary of a later epoch than the one that was asked to run it.
    pub(crate) fn answered(&mut self, outcome: &Outcome) {
        let Some(doubt) = self.doubt.take() else {
            return;
        };
        if let Outcome::Committed { id, .. } = outcome {
            self.wrote_as(*id);
        }
        match outcome {
            Outcome::Unknown(_) => self.fail(&Fault::OutcomeUnknown),
            Outcome::Committed { .. } if doubt.commit => self.answer_ok(0, 0),
            Outcome::Committed { effect, .. } => {
                match effect.and_then(|effect| self.told(effect)) {
                    Some((affected, insert_id)) => self.answer_ok(affected, insert_id),
                    None => self.fail(&Fault::ResultLost),
                }
            }
            Outcome::NotThere if !doubt.certain => self.fail(&Fault::OutcomeUnknown),
            Outcome::NotThere => {
                self.phase = Phase::Ready;
                self.sent = false;
                if doubt.commit && self.replay.can() {
                    self.replay.plan();
                } else if doubt.commit {
                    self.forget_transaction();
                    self.fail(&Fault::TransactionLost);
                }
            }
        }
    }

    /// Nobody could be asked in time.
    pub(crate) fn unanswered(&mut self) {
        self.answered(&Outcome::Unknown(String::new()));
    }

    /// Rows and AUTO_INCREMENT value of the OK packet that was lost, where its rows tell them.
    fn told(&self, effect: Effect) -> Option<(u64, u64)> {
        let text = self.text();
        let lower = text.to_ascii_lowercase();
        let has = |word: &[u8]| lower.windows(word.len()).any(|part| part == word);
        if TELL_MORE.iter().any(|word| has(word)) {
            return None;
        }
        let Effect {
            inserted,
            updated,
            deleted,
            insert_id,
        } = effect;
        match (verb(&lower)?, inserted, updated, deleted) {
            (b'i', rows, 0, 0) => Some((rows, insert_id?)),
            (b'd', 0, 0, rows) => Some((rows, 0)),
            // Why: such a client wants to know how many rows were found, and those left as they were are in no log.
            (b'u', 0, rows, 0) if !self.found_rows => Some((rows, 0)),
            _ => None,
        }
    }

    /// Answers the current statement as the server would have.
    fn answer_ok(&mut self, affected: u64, insert_id: u64) {
        let mut payload = vec![0];
        put_length(&mut payload, affected);
        put_length(&mut payload, insert_id);
        let status = self.status & (flags::AUTOCOMMIT | flags::NO_BACKSLASH_ESCAPES);
        payload.extend_from_slice(&status.to_le_bytes());
        payload.extend_from_slice(&[0, 0]);
        let bytes = packet(self.request.last_sequence().wrapping_add(1), &payload);
        let shape = command::shape(self.command).unwrap_or(command::Shape::Simple);
        self.walker = wire::walk::Walker::new(shape, self.deprecate_eof);
        self.phase = Phase::Flight;
        if let Ok(given) = self.server_bytes(&bytes, false) {
            self.to_client.extend_from_slice(&bytes[..given.pass]);
        }
        self.moved_since_answer = true;
    }
}

/// COMMIT or ROLLBACK and nothing more.
fn is_bare(text: &[u8], verb: &str) -> bool {
    let mut words = text
        .split(|byte| byte.is_ascii_whitespace() || *byte == b';')
        .filter(|word| !word.is_empty());
    let is = |word: Option<&[u8]>, name: &str| {
        word.is_none_or(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    };
    is(words.next(), verb) && is(words.next(), "work") && words.next().is_none()
}

/// First letter of the word before the mark.
fn verb(text: &[u8]) -> Option<u8> {
    let mark = text.windows(4).position(|part| part == b"/*m:")?;
    let word = text[..mark]
        .rsplit(|byte| !byte.is_ascii_lowercase())
        .next()?;
    word.first().copied()
}
