//! The bytes of one command of the client, collected until it can begin. A command that is too big to keep is
//! sent on while it arrives.

use wire::packet::{HEADER, Header};

use super::KEEP;
use crate::fault::Fault;

/// A command that does not fit [`KEEP`] is begun when this much of it is there.
const PREFIX: usize = 16 * 1024;
/// A request buffer bigger than this is not kept between statements.
const SPARE: usize = 512;

/// The current command.
#[derive(Debug, Default)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    /// Bytes of the current packet that have not come.
    left: usize,
    /// The current packet is continued by another.
    continues: bool,
    /// It is sent on while it arrives: what is in `bytes` is its beginning.
    streamed: bool,
    last_sequence: u8,
}

impl Request {
    /// The payload as far as it is kept.
    pub(crate) fn payload(&self) -> &[u8] {
        self.bytes.get(HEADER..).unwrap_or_default()
    }

    /// The packet.
    pub(crate) fn packet(&self) -> &[u8] {
        &self.bytes
    }

    /// True when more of it is to come.
    pub(crate) fn streams(&self) -> bool {
        self.left > 0 || self.continues
    }

    /// True when all of it has come.
    pub(crate) fn is_whole(&self) -> bool {
        !self.streams()
    }

    /// True when all of it is here and can be sent again.
    pub(crate) fn is_kept(&self) -> bool {
        !self.streamed && self.is_whole()
    }

    pub(crate) fn last_sequence(&self) -> u8 {
        self.last_sequence
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        if self.bytes.capacity() > SPARE {
            self.bytes = Vec::new();
        }
        (self.left, self.last_sequence) = (0, 0);
        (self.continues, self.streamed) = (false, false);
    }

    /// Replaces the payload of a kept command.
    pub(crate) fn replace(&mut self, payload: &[u8]) {
        self.bytes.clear();
        wire::packet::put(&mut self.bytes, 0, payload);
    }

    /// Replaces the text of a kept command.
    pub(crate) fn replace_text(&mut self, text: &[u8]) {
        let command = self.payload().first().copied().unwrap_or_default();
        let mut payload = Vec::with_capacity(1 + text.len());
        payload.push(command);
        payload.extend_from_slice(text);
        self.replace(&payload);
    }

    /// A command that has come, as it was sent.
    pub(crate) fn of(packet: Vec<u8>) -> Self {
        Self {
            bytes: packet,
            ..Self::default()
        }
    }

    /// Overwrites bytes of the payload.
    pub(crate) fn patch(&mut self, at: usize, bytes: &[u8]) {
        if let Some(place) = self.bytes.get_mut(HEADER + at..HEADER + at + bytes.len()) {
            place.copy_from_slice(bytes);
        }
    }

    /// Takes bytes until the command can begin; says how many, and whether it can.
    #[inline]
    pub(super) fn collect(&mut self, input: &[u8]) -> Result<(usize, bool), Fault> {
        if self.bytes.is_empty()
            && let Some(packet) = whole(input)
        {
            self.bytes.extend_from_slice(packet);
            return Ok((packet.len(), true));
        }
        let mut used = 0;
        if self.bytes.len() < HEADER {
            used = input.len().min(HEADER - self.bytes.len());
            self.bytes.extend_from_slice(&input[..used]);
            let Some(header) = Header::read(&self.bytes) else {
                return Ok((used, false));
            };
            if header.sequence != 0 {
                return Err(Fault::Malformed("a command does not start with packet 0"));
            }
            self.left = header.length;
            self.continues = header.continues();
            self.streamed = header.length > KEEP;
        }
        let upto = if self.streamed {
            PREFIX.saturating_sub(self.payload().len())
        } else {
            self.left
        };
        let more = upto.min(input.len() - used);
        self.bytes.extend_from_slice(&input[used..used + more]);
        self.left -= more;
        let begins = if self.streamed {
            self.payload().len() >= PREFIX
        } else {
            self.left == 0
        };
        Ok((used + more, begins))
    }

    /// Steps over bytes of a command that is sent on while it arrives; says how many belong to it.
    pub(super) fn stream(&mut self, input: &[u8]) -> usize {
        let mut at = 0;
        while self.streams() && at < input.len() {
            if self.left > 0 {
                let over = self.left.min(input.len() - at);
                self.left -= over;
                at += over;
            } else if let Some(header) = Header::read(&input[at..]) {
                self.left = header.length;
                self.continues = header.continues();
                self.last_sequence = header.sequence;
                at += HEADER;
            } else {
                break;
            }
        }
        at
    }

    /// Steps over bytes of a client's file, which is packets up to an empty one; says how many belong to it, and
    /// the sequence number of the empty packet once it has come.
    pub(super) fn file(&mut self, input: &[u8]) -> (usize, Option<u8>) {
        let mut at = 0;
        while at < input.len() {
            if self.left > 0 {
                let over = self.left.min(input.len() - at);
                self.left -= over;
                at += over;
                continue;
            }
            let Some(header) = Header::read(&input[at..]) else {
                break;
            };
            at += HEADER;
            self.left = header.length;
            self.last_sequence = header.sequence;
            if header.length == 0 {
                return (at, Some(header.sequence));
            }
        }
        (at, None)
    }
}

/// The packet at the beginning of `input`, when it is a whole command that can be kept.
#[inline]
fn whole(input: &[u8]) -> Option<&[u8]> {
    let header = Header::read(input)?;
    let is_usual = header.sequence == 0 && (1..=KEEP).contains(&header.length);
    if !is_usual {
        return None;
    }
    input.get(..HEADER + header.length)
}
