//! What a session knows of its connection to a replica: what it was told, what is prepared there, which answers it owes,
//! and how the ones that are not the client's are taken.

use std::collections::VecDeque;

use wire::codec::Malformed;
use wire::command::{Shape, code};
use wire::packet::{HEADER, packet};
use wire::walk::{Kind, Step, Walker};

use super::by_id::ById;

/// The answer to a wait is a number in a row; more than this is something else.
const MAX_ANSWER: usize = 1024;

/// An answer that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// To a statement that sets the session up.
    Setting,
    /// To the wait for a position.
    Wait,
    /// To the preparation of the statement with this id of the client, in this state of what names mean.
    Prepared(u32, u64),
    /// To the question how many rows were found.
    Rows,
    /// To the client's statement.
    Answer,
    /// To a statement whose answer nobody wants any more.
    Nothing,
}

/// What an answer that is not the client's has said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// Not all of it is here.
    More,
    /// It is as it should be.
    Good,
    /// The position was not reached in time.
    NotReached,
    /// The statement could not be prepared.
    NotPrepared,
    /// So many rows were found, if it says so.
    Rows(Option<u64>),
    /// The session cannot be set up there.
    Unfit,
}

/// A statement that is prepared there.
#[derive(Clone, Copy, Debug)]
pub(super) struct There {
    pub(super) server_id: u32,
    /// What names meant then.
    pub(super) names: u64,
    /// The replica has heard the types of its parameters.
    pub(super) types_known: bool,
}

/// One session's connection to a replica.
#[derive(Debug)]
pub(super) struct Replica {
    /// Bytes for it.
    pub(super) outbox: Vec<u8>,
    pub(super) owed: VecDeque<Owed>,
    walker: Option<Walker>,
    answer: Vec<u8>,
    /// The version of the session's variables that it was told; `None`: nothing yet.
    pub(super) told: Option<u32>,
    pub(super) database: Box<[u8]>,
    pub(super) prepared: ById<There>,
    /// It must be reset before it is used again.
    pub(super) is_stale: bool,
    /// It is of no more use to this session.
    pub(super) is_unfit: bool,
}

impl Replica {
    pub(super) fn new(database: &[u8]) -> Self {
        Self {
            outbox: Vec::new(),
            owed: VecDeque::new(),
            walker: None,
            answer: Vec::new(),
            told: None,
            database: database.into(),
            prepared: ById::default(),
            is_stale: false,
            is_unfit: false,
        }
    }

    /// The client has bound other types, and told them to the primary.
    pub(super) fn forget_types(&mut self, id: u32) {
        if let Some(there) = self.prepared.get_mut(id) {
            there.types_known = false;
        }
    }

    /// The statement is closed there, with the next bytes that go there.
    pub(super) fn close(&mut self, id: u32) {
        if let Some(there) = self.prepared.remove(id) {
            let payload = [&[code::STMT_CLOSE][..], &there.server_id.to_le_bytes()].concat();
            self.outbox.extend_from_slice(&packet(0, &payload));
        }
    }

    /// Nobody waits for the answer to the client's statement any more.
    pub(super) fn forget_answer(&mut self) {
        for owed in &mut self.owed {
            if *owed == Owed::Answer {
                *owed = Owed::Nothing;
            }
        }
    }

    /// Takes bytes of an answer that is not the client's: how many, and what it has said. `walker`: the walk along
    /// the answer, when it had begun as the client's.
    pub(super) fn take(
        &mut self,
        owed: Owed,
        input: &[u8],
        deprecate_eof: bool,
    ) -> Result<(usize, Said), Malformed> {
        let shape = match owed {
            Owed::Setting => Shape::Simple,
            Owed::Prepared(..) => Shape::Prepare,
            Owed::Wait | Owed::Rows | Owed::Answer | Owed::Nothing => Shape::Query,
        };
        let walker = self
            .walker
            .get_or_insert_with(|| Walker::new(shape, deprecate_eof));
        let step = walker.step(input)?;
        let is_done = walker.done();
        let (used, kind) = match &step {
            Step::Pass { used, .. } | Step::Kept { used, .. } => (*used, None),
            Step::Packet { kind, length } => (*length, Some(*kind)),
            Step::KeptPacket { kind, used, .. } => (*used, Some(*kind)),
        };
        match (owed, kind) {
            (Owed::Wait | Owed::Rows, None) if self.answer.len() + used <= MAX_ANSWER => {
                self.answer.extend_from_slice(&input[..used]);
            }
            (Owed::Prepared(id, names), Some(Kind::Prepared)) => {
                let packet = match &step {
                    Step::KeptPacket { bytes, .. } => bytes.as_slice(),
                    _ => &input[..used],
                };
                let number = packet.get(HEADER + 1..HEADER + 5);
                let number = number.and_then(|id| id.first_chunk()).copied();
                let there = There {
                    names,
                    server_id: number.map_or(0, u32::from_le_bytes),
                    types_known: true,
                };
                self.prepared.insert(id, there);
            }
            _ => {}
        }
        if !is_done {
            return Ok((used, Said::More));
        }
        let failed = kind == Some(Kind::Err);
        let said = match owed {
            Owed::Setting if failed => Said::Unfit,
            Owed::Prepared(..) if failed => Said::NotPrepared,
            Owed::Wait if failed || number(&self.answer, deprecate_eof) != Some(0) => {
                Said::NotReached
            }
            Owed::Rows => Said::Rows(number(&self.answer, deprecate_eof).filter(|_| !failed)),
            _ => Said::Good,
        };
        self.walker = None;
        self.answer.clear();
        self.owed.pop_front();
        Ok((used, said))
    }

    /// The client's answer had begun and is given up: the rest is stepped over along the same walk.
    pub(super) fn give_up(&mut self, walker: Walker) {
        if self.owed.front() == Some(&Owed::Answer) && !walker.done() {
            self.walker = Some(walker);
        }
        self.forget_answer();
    }
}

/// The only value of a result, when it is a number without a sign; `0` of MASTER_GTID_WAIT: the position is reached.
fn number(answer: &[u8], deprecate_eof: bool) -> Option<u64> {
    let mut rest = answer;
    // The number of columns, one definition, and with the older protocol an EOF.
    for _ in 0..if deprecate_eof { 2 } else { 3 } {
        let header = wire::packet::Header::read(rest)?;
        rest = rest.get(HEADER + header.length..)?;
    }
    let (length, rest) = rest.get(HEADER..)?.split_first()?;
    let digits = rest.get(..usize::from(*length))?;
    let is_one = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
    let canonical = digits.len() == 1 || digits.first() != Some(&b'0');
    (is_one && canonical).then_some(())?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
