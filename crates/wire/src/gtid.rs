//! MariaDB's global transaction ids: `domain-server-sequence`, and positions (one id per domain).
//!
//! A `Position` is what `@@gtid_slave_pos`, `@@gtid_binlog_pos` and `Gtid_IO_Pos` print. Positions are
//! partially ordered, domain by domain; whether a position is part of another server's history is
//! not decided here but by the ledger's cuts.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

/// One transaction's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Gtid {
    /// Replication domain; Mainstay keeps everything in domain 0.
    pub domain: u32,
    /// `server_id` of the server on which the transaction was first written.
    pub server: u32,
    /// Grows by one with each transaction of the domain (`gtid_strict_mode`).
    pub sequence: u64,
}

/// The last transaction of each domain that a server has.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Position {
    last: BTreeMap<u32, (u32, u64)>,
}

/// Text that is not a GTID or a list of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a GTID position (expected `domain-server-sequence`, separated by commas)")]
pub struct NotAPosition(String);

impl Position {
    /// The position of a server that has nothing.
    pub fn empty() -> Self {
        Self::default()
    }

    /// True when no transaction of any domain is in it.
    pub fn is_empty(&self) -> bool {
        self.last.is_empty()
    }

    /// The ids in it, by domain.
    pub fn iter(&self) -> impl Iterator<Item = Gtid> + '_ {
        self.last.iter().map(|(&domain, &(server, sequence))| Gtid {
            domain,
            server,
            sequence,
        })
    }

    /// Sequence number reached in `domain`; 0 when the domain is absent.
    pub fn sequence(&self, domain: u32) -> u64 {
        self.last.get(&domain).map_or(0, |&(_, sequence)| sequence)
    }

    /// True when every domain of `other` is reached here: `self >= other`.
    pub fn covers(&self, other: &Self) -> bool {
        other
            .last
            .iter()
            .all(|(domain, &(_, sequence))| self.sequence(*domain) >= sequence)
    }

    /// True when both reach the same sequence in every domain, whatever server wrote it.
    pub fn same_as(&self, other: &Self) -> bool {
        self.covers(other) && other.covers(self)
    }

    /// How many transactions of `other` are not here yet.
    pub fn missing_from(&self, other: &Self) -> u64 {
        other
            .last
            .iter()
            .map(|(domain, &(_, sequence))| sequence.saturating_sub(self.sequence(*domain)))
            .fold(0, u64::saturating_add)
    }

    /// Adds one id, keeping the greater sequence of its domain.
    pub fn advance(&mut self, id: Gtid) {
        let entry = self
            .last
            .entry(id.domain)
            .or_insert((id.server, id.sequence));
        if entry.1 <= id.sequence {
            *entry = (id.server, id.sequence);
        }
    }

    /// The greater of both in every domain.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let mut all = self.clone();
        other.iter().for_each(|id| all.advance(id));
        all
    }
}

impl FromIterator<Gtid> for Position {
    fn from_iter<I: IntoIterator<Item = Gtid>>(ids: I) -> Self {
        let mut all = Self::default();
        ids.into_iter().for_each(|id| all.advance(id));
        all
    }
}

impl fmt::Display for Gtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.domain, self.server, self.sequence)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, id) in self.iter().enumerate() {
            if n > 0 {
                f.write_str(",")?;
            }
            write!(f, "{id}")?;
        }
        Ok(())
    }
}

impl FromStr for Gtid {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        Self::read(text.as_bytes()).ok_or_else(|| NotAPosition(text.chars().take(80).collect()))
    }
}

impl Gtid {
    /// The id that is written so. Why by hand: the gateway reads one with each write.
    pub fn read(text: &[u8]) -> Option<Self> {
        let (domain, rest) = number(text)?;
        let (server, rest) = number(rest.strip_prefix(b"-")?)?;
        let (sequence, rest) = number(rest.strip_prefix(b"-")?)?;
        rest.is_empty().then_some(Self {
            domain: domain.try_into().ok()?,
            server: server.try_into().ok()?,
            sequence,
        })
    }
}

/// The number at the beginning, and what follows its digits.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(digits);
    let next = |sum: u64, digit: &u8| sum.checked_mul(10)?.checked_add(u64::from(digit - b'0'));
    let sum = digits.iter().try_fold(0, next)?;
    (!digits.is_empty()).then_some((sum, rest))
}

impl FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Self, NotAPosition> {
        text.split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .map(Gtid::from_str)
            .collect()
    }
}

impl serde::Serialize for Gtid {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Gtid {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl serde::Serialize for Position {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Position {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(text: &str) -> Position {
        text.parse().unwrap()
    }

    #[test]
    fn reads_what_the_server_prints() {
        assert_eq!(at("0-1-5,1-2-9").to_string(), "0-1-5,1-2-9");
        assert_eq!(at("0-1-5,\n1-2-9").to_string(), "0-1-5,1-2-9");
        assert!(at("").is_empty());
    }

    #[test]
    fn refuses_what_is_no_position() {
        for bad in [
            "0-1",
            "0-1-2-3",
            "a-b-c",
            "0--1",
            "0-1-",
            "-1-2",
            "0-1-2-",
            " 0-1-2x",
            "4294967296-1-2",
            "0-1-99999999999999999999",
            "0-1-+5",
        ] {
            assert!(bad.parse::<Position>().is_err(), "{bad}");
        }
    }

    #[test]
    fn covers_is_by_sequence_in_every_domain() {
        assert!(at("0-2-10").covers(&at("0-1-10")));
        assert!(!at("0-2-10").covers(&at("0-1-11")));
        assert!(!at("0-2-10").covers(&at("0-1-1,1-1-1")));
        assert_eq!(at("0-1-4").missing_from(&at("0-1-10,1-1-2")), 8);
    }

    proptest! {
        #[test]
        fn printed_and_read_again_is_the_same(ids in prop::collection::vec((0u32..4, any::<u32>(), any::<u64>()), 0..6)) {
            let position: Position = ids.into_iter()
                .map(|(domain, server, sequence)| Gtid { domain, server, sequence }).collect();
            prop_assert_eq!(position.to_string().parse::<Position>().unwrap(), position);
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,60}") {
            let _ = text.parse::<Position>();
        }
    }
}
