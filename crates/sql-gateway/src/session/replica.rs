//! What a session knows of its connection to a replica: what it was told, what is prepared there, which answers it owes,
//! and how the ones that are not the client's are taken.

use std::collections::{HashMap, VecDeque};

use wire::codec::Malformed;
use wire::command::Shape;
use wire::packet::HEADER;
use wire::walk::{Kind, Step, Walker};

/// The answer to a wait is a number in a row; more than this is something else.
const MAX_ANSWER: usize = 1024;

/// An answer that is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    /// To a statement that sets the session up.
    Setting,
    /// To the wait for a position.
    Wait,
    /// To the preparation of the statement with this id of the client.
    Prepared(u32),
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
    /// The session cannot be set up there.
    Unfit,
}

/// A statement that is prepared there.
#[derive(Clone, Copy, Debug)]
pub(super) struct There {
    pub(super) server_id: u32,
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
    pub(super) prepared: HashMap<u32, There>,
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
            prepared: HashMap::new(),
            is_stale: false,
            is_unfit: false,
        }
    }

    /// The client has bound other types, and told them to the primary.
    pub(super) fn forget_types(&mut self, id: u32) {
        if let Some(there) = self.prepared.get_mut(&id) {
            there.types_known = false;
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
            Owed::Prepared(_) => Shape::Prepare,
            Owed::Wait | Owed::Answer | Owed::Nothing => Shape::Query,
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
            (Owed::Wait, None) if self.answer.len() + used <= MAX_ANSWER => {
                self.answer.extend_from_slice(&input[..used]);
            }
            (Owed::Prepared(id), Some(Kind::Prepared)) => {
                let packet = match &step {
                    Step::KeptPacket { bytes, .. } => bytes.as_slice(),
                    _ => &input[..used],
                };
                let number = packet.get(HEADER + 1..HEADER + 5);
                let number = number.and_then(|id| id.first_chunk()).copied();
                let there = There {
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
            Owed::Prepared(_) if failed => Said::NotPrepared,
            Owed::Wait if failed || !is_zero(&self.answer, deprecate_eof) => Said::NotReached,
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

/// True when the only value of a result is `0`: MASTER_GTID_WAIT has reached its position.
fn is_zero(answer: &[u8], deprecate_eof: bool) -> bool {
    let mut rest = answer;
    // The number of columns, one definition, and with the older protocol an EOF.
    for _ in 0..if deprecate_eof { 2 } else { 3 } {
        let Some(header) = wire::packet::Header::read(rest) else {
            return false;
        };
        rest = rest.get(HEADER + header.length..).unwrap_or_default();
    }
    rest.get(HEADER..HEADER + 2) == Some(b"\x010")
}
