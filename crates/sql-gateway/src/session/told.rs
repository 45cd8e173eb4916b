//! What a client hears of the changes of its session: what the server would have told it, not what the gateway has
//! itself told. `choice.rs` is about clients that say what they want to hear.

use wire::codec::Reader;
use wire::flags;
use wire::packet::HEADER;
use wire::reply::OkPacket;
use wire::walk::Kind;

use super::Session;
use super::side::Side;

/// `session_track_system_variables` by default (MariaDB 10.11.19), and the order in which they are told.
const BY_DEFAULT: [&[u8]; 5] = [
    b"autocommit",
    b"character_set_client",
    b"character_set_connection",
    b"character_set_results",
    b"time_zone",
];

impl Session {
    /// The OK for the client; `None`: as it came.
    pub(super) fn told_of(&self, ok: &OkPacket<'_>) -> Option<Vec<u8>> {
        if ok.status & flags::STATE_CHANGED == 0 {
            return None;
        }
        if !self.tracks {
            return Some(ok.without_changes());
        }
        if self.is_natural() {
            return None;
        }
        let chosen = self.chosen_of(ok);
        Some(chosen.unwrap_or_else(|| ok.with_changes_of(&BY_DEFAULT)))
    }

    /// True when an EOF goes to the client as it is; else it goes without the flag that something changed.
    pub(super) fn tells_eof(&mut self, bytes: &[u8], status: u16) -> bool {
        // Why whoever the client is: the flag of an EOF needs no capability (10.11.19).
        if status & flags::STATE_CHANGED == 0 || self.is_natural() || self.hears_of_anything() {
            return true;
        }
        let mut eof = bytes.to_vec();
        let plain = status & !flags::STATE_CHANGED;
        if let Some(place) = eof.get_mut(HEADER + 3..HEADER + 5) {
            place.copy_from_slice(&plain.to_le_bytes());
        }
        self.to_client.extend_from_slice(&eof);
        false
    }

    /// True when a replica answers while a transaction is open on the primary, or autocommit is off there: a client that is
    /// told otherwise takes a COMMIT for needless, and does not send it (MariaDB's Java connector).
    #[inline]
    pub(super) fn owes_status(&self) -> bool {
        self.side == Side::Replica
            && (self.in_transaction() || self.status & flags::AUTOCOMMIT == 0)
    }

    /// An OK or EOF of a replica with what the primary has said of the transaction.
    pub(super) fn with_own_status(&self, kind: Kind, bytes: &[u8]) -> Vec<u8> {
        const OWN: u16 = flags::IN_TRANSACTION | flags::AUTOCOMMIT | flags::READS_ONLY;
        let mut bytes = bytes.to_vec();
        let mut reader = Reader::new(bytes.get(HEADER + 1..).unwrap_or_default());
        let skipped = match kind {
            Kind::Ok(_) => reader.length().and(reader.length()).is_some(),
            _ => reader.u16().is_some(),
        };
        let at = bytes.len() - reader.rest().len();
        if let Some(place) = bytes.get_mut(at..at + 2).filter(|_| skipped) {
            let status = u16::from_le_bytes([place[0], place[1]]);
            let status = (status & !OWN) | (self.status & OWN);
            place.copy_from_slice(&status.to_le_bytes());
        }
        bytes
    }
}
