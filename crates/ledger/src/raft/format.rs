//! Versions of what is written to disk and sent to other nodes, and the bytes of a record in both.
//! Everything is JSON behind a short header: the ledger is small and rarely written, and a person
//! can read it. A change that an older version would misread gets a new number here.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::{BODY_LIMIT, Error, Record, Result};

/// The format of the store; written once, when it is created.
pub(crate) const STORE: u32 = 1;
/// The format of calls between nodes; the first byte after [`MAGIC`].
pub(crate) const WIRE: u8 = 1;
/// The largest call or answer, in bytes.
pub(crate) const MESSAGE_LIMIT: usize = 4 << 20;

const MAGIC: &[u8; 3] = b"MSL";

/// A record as version 1 writes it: text only, so that the JSON stays small and exact.
#[derive(Serialize, Deserialize)]
struct RecordV1 {
    rev: u64,
    nonce: String,
    body: String,
}

impl From<&Record> for RecordV1 {
    fn from(record: &Record) -> Self {
        use base64::Engine as _;
        Self {
            rev: record.rev,
            nonce: format!("{:032x}", record.nonce),
            body: base64::engine::general_purpose::STANDARD.encode(&record.body),
        }
    }
}

impl TryFrom<RecordV1> for Record {
    type Error = &'static str;

    fn try_from(kept: RecordV1) -> Result<Self, &'static str> {
        use base64::Engine as _;
        let nonce = u128::from_str_radix(&kept.nonce, 16).map_err(|_| "bad nonce")?;
        let body = base64::engine::general_purpose::STANDARD
            .decode(kept.body)
            .map_err(|_| "bad body")?;
        if body.len() > BODY_LIMIT {
            return Err("body too large");
        }
        Ok(Self {
            rev: kept.rev,
            nonce,
            body,
        })
    }
}

/// How serde writes a record.
pub(crate) mod record {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::RecordV1;
    use crate::Record;

    pub(crate) fn serialize<S: Serializer>(record: &Record, out: S) -> Result<S::Ok, S::Error> {
        RecordV1::from(record).serialize(out)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Record, D::Error> {
        RecordV1::deserialize(from)?
            .try_into()
            .map_err(D::Error::custom)
    }
}

/// How serde writes a record that may be absent.
pub(crate) mod optional_record {
    use serde::de::Error as _;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::RecordV1;
    use crate::Record;

    #[expect(clippy::ref_option, reason = "serde's signature")]
    pub(crate) fn serialize<S: Serializer>(
        record: &Option<Record>,
        out: S,
    ) -> Result<S::Ok, S::Error> {
        record.as_ref().map(RecordV1::from).serialize(out)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Record>, D::Error> {
        Option::<RecordV1>::deserialize(from)?
            .map(TryInto::try_into)
            .transpose()
            .map_err(D::Error::custom)
    }
}

/// A value as bytes for the store.
///
/// Errors: it cannot be written as JSON, which our types never cause.
pub(crate) fn keep<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::StoreFailed(format!("encode: {error}")))
}

/// The value of bytes from the store.
///
/// Errors: the bytes are not what this version writes.
pub(crate) fn recall<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::StoreFailed(format!("decode: {error}")))
}

/// A call or an answer as bytes for the wire.
pub(crate) fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::with_capacity(256);
    bytes.extend_from_slice(MAGIC);
    bytes.push(WIRE);
    serde_json::to_writer(&mut bytes, message).map_err(|error| error.to_string())?;
    if bytes.len() > MESSAGE_LIMIT {
        return Err(format!("message of {} bytes is too large", bytes.len()));
    }
    Ok(bytes)
}

/// The call or answer in bytes from the wire; anything else gives a sentence.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    if bytes.len() > MESSAGE_LIMIT {
        return Err(format!("message of {} bytes is too large", bytes.len()));
    }
    let rest = bytes.strip_prefix(MAGIC).ok_or("not a ledger message")?;
    let (version, body) = rest.split_first().ok_or("message ends early")?;
    if *version != WIRE {
        return Err(format!(
            "ledger messages of version {version} are not known here"
        ));
    }
    serde_json::from_slice(body).map_err(|error| format!("malformed message: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn record_when_kept_and_recalled_then_is_the_same() {
        let proposal = crate::raft::types::Proposal {
            expected: Some(6),
            record: Record {
                rev: 7,
                nonce: u128::MAX - 3,
                body: vec![0, 255, 10, 34],
            },
        };
        let bytes = keep(&proposal).unwrap();
        assert_eq!(
            recall::<crate::raft::types::Proposal>(&bytes).unwrap(),
            proposal
        );
    }

    #[test]
    fn message_when_not_ours_then_is_refused() {
        for bytes in [
            &b""[..],
            b"MS",
            b"MSL",
            b"MSL\x01",
            b"MSL\x02{}",
            b"GET / HTTP",
            b"MSL\x01{",
        ] {
            assert!(
                decode::<crate::raft::types::Proposal>(bytes).is_err(),
                "{bytes:?}"
            );
        }
    }
}
