//! A statement is prepared on a connection that has not heard of it; the client sees nothing of that.

use wire::codec::Malformed;
use wire::command::code;
use wire::packet::HEADER;
use wire::walk::{Kind, Step};

use super::answer::{Given, Refusal};
use super::state::Pins;
use super::{Phase, Session};

impl Session {
    /// The answer to a statement of the gateway's own.
    #[cold]
    pub(super) fn swallow_step(&mut self, input: &[u8]) -> Result<Given, Refusal> {
        let mut used = 0;
        if let Some(mut walker) = self.swallow.take() {
            let (kind, met);
            (used, kind, met) = swallow(&mut walker, input)?;
            if kind == Some(Kind::Err) {
                self.state.pins.add(Pins::UNTRACKED);
            }
            if walker.done() {
                self.hushed(kind, &met);
            } else {
                self.swallow = Some(walker);
            }
        }
        Ok(Given { used, pass: 0 })
    }

    /// The answer to a PREPARE of our own.
    pub(super) fn preparing_step(&mut self, input: &[u8]) -> Result<Given, Refusal> {
        if self.past.is_carrying() {
            return self.carrying_step(input);
        }
        let (used, kind, bytes) = swallow(&mut self.walker, input)?;
        match kind {
            Some(Kind::Prepared) => {
                let id = bytes
                    .get(HEADER + 1..HEADER + 5)
                    .and_then(|id| id.first_chunk().copied());
                self.preparing_as = id.map_or(0, u32::from_le_bytes);
            }
            Some(Kind::Err) => {
                let unanswered = self.command == code::STMT_SEND_LONG_DATA;
                if !unanswered {
                    self.to_client.extend_from_slice(&bytes);
                }
                if self.replay.runs() {
                    self.to_client.clear();
                    self.abandon_replay();
                    return Ok(Given { used, pass: 0 });
                }
                let whole = self.request.is_whole();
                self.finish();
                if !whole {
                    self.phase = Phase::Closing;
                }
                return Ok(Given { used, pass: 0 });
            }
            _ => {}
        }
        if self.walker.done() {
            let id = self.statement_ref;
            self.statements.here(id, self.preparing_as);
            self.phase = Phase::Ready;
        }
        Ok(Given { used, pass: 0 })
    }
}

/// Walks on and passes nothing; returns the packet met.
pub(super) fn swallow(
    walker: &mut wire::walk::Walker,
    input: &[u8],
) -> Result<(usize, Option<Kind>, Vec<u8>), Malformed> {
    Ok(match walker.step(input)? {
        Step::Pass { used, .. } | Step::Kept { used, .. } => (used, None, Vec::new()),
        Step::Packet { kind, length } => (length, Some(kind), input[..length].to_vec()),
        Step::KeptPacket { kind, bytes, used } => (used, Some(kind), bytes),
    })
}
