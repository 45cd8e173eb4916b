//! Version 1 of what keepers say to each other and of the ledger's bytes, apart from the types that
//! think. Whoever receives something newer refuses it and says so.

use cluster::{Document, Epoch, Millis, NodeName, Report, Rev};
use serde::{Deserialize, Serialize};

use crate::{CloneProgress, Drain, Error, Remark, Result};

const VERSION: u32 = 1;

/// The ledger's bytes.
#[derive(Serialize, Deserialize)]
struct Stored<T> {
    version: u32,
    document: T,
}

/// What one keeper asks of another.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Question {
    /// Here is my report; give me yours, a fresh one if asked.
    Exchange { letter: Box<Letter>, fresh: bool },
    /// Hand over, primary.
    Switchover { to: Option<NodeName> },
    /// Take over.
    Failover { accept_loss: bool },
    /// What did you do lately?
    Why,
}

/// The answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    Letter(Box<Letter>),
    Changed {
        epoch: Epoch,
        from: NodeName,
        to: NodeName,
        write_pause_ms: u64,
    },
    Why(Vec<Remark>),
    Refused(String),
}

/// A report on its way.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Letter {
    /// Life of the sender's agent.
    pub(crate) incarnation: u64,
    /// Grows with each letter of a life.
    pub(crate) sequence: u64,
    /// Revision of the newest document the sender knows.
    pub(crate) rev: Option<Rev>,
    /// Without its document when the receiver is known to have it.
    pub(crate) report: Report,
    /// For people.
    pub(crate) extras: Extras,
}

/// What a report carries for people; nothing is decided from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extras {
    /// Pid of the server.
    pub pid: Option<u32>,
    /// Its version.
    pub version: Option<String>,
    /// Its administrator's socket.
    pub socket: Option<String>,
    /// How long writes paused when this node became primary of that epoch.
    pub pause: Option<(Epoch, Millis)>,
    /// A clone on its way.
    pub clone: Option<CloneProgress>,
    /// What it has received and must still apply.
    #[serde(default)]
    pub drain: Option<Drain>,
    /// What this node is doing, as a sentence.
    pub reason: String,
    /// What people should see to.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// Scheduled events that do not run on this primary.
    #[serde(default)]
    pub disabled_events: Vec<String>,
    /// The last thing that failed, until it works.
    pub trouble: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    version: u32,
    body: T,
}

/// The bytes of a document.
pub fn encode_document(document: &Document) -> Result<Vec<u8>> {
    to_bytes(
        "the document",
        &Stored {
            version: VERSION,
            document,
        },
    )
}

/// The document in these bytes.
pub fn decode_document(bytes: &[u8]) -> Result<Document> {
    check_version("the ledger's document", bytes)?;
    let stored: Stored<Document> = from_bytes("the ledger's document", bytes)?;
    Ok(stored.document)
}

pub(crate) fn encode<T: Serialize>(body: &T) -> Result<Vec<u8>> {
    to_bytes(
        "a message",
        &Envelope {
            version: VERSION,
            body,
        },
    )
}

pub(crate) fn decode<T: for<'de> Deserialize<'de>>(bytes: &[u8]) -> Result<T> {
    let envelope: Envelope<T> = from_bytes("a message", bytes).or_else(|error| {
        // Why second: the version is looked at only when something is wrong; letters are frequent.
        check_version("a message", bytes)?;
        Err(error)
    })?;
    if envelope.version > VERSION {
        return Err(newer("a message", envelope.version.into()));
    }
    Ok(envelope.body)
}

fn check_version(what: &'static str, bytes: &[u8]) -> Result<()> {
    #[derive(Deserialize)]
    struct Head {
        version: u64,
    }
    let head: Head = from_bytes(what, bytes)?;
    if head.version > u64::from(VERSION) {
        Err(newer(what, head.version))
    } else {
        Ok(())
    }
}

fn newer(what: &'static str, version: u64) -> Error {
    let why =
        format!("it has version {version}, written by a newer Mainstay than this ({VERSION})");
    Error::Format { what, why }
}

fn to_bytes<T: Serialize>(what: &'static str, value: &T) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| Error::Format {
        what,
        why: error.to_string(),
    })
}

fn from_bytes<T: for<'de> Deserialize<'de>>(what: &'static str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|error| Error::Format {
        what,
        why: error.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use cluster::{DataId, Member, MemberKind};

    fn document() -> Document {
        let member = Member {
            address: "10.0.0.1:7400".into(),
            number: 1,
            kind: MemberKind::Data,
            far: false,
            priority: 0,
        };
        Document::founding("alpha".parse().unwrap(), member, DataId(7))
    }

    #[test]
    fn a_document_is_read_as_written() {
        let bytes = encode_document(&document()).unwrap();
        assert_eq!(decode_document(&bytes).unwrap(), document());
    }

    #[test]
    fn a_document_from_the_future_is_refused_and_says_so() {
        let bytes = br#"{"version":9,"document":{}}"#;
        let told = decode_document(bytes).unwrap_err().to_string();
        assert!(told.contains("newer Mainstay"), "{told}");
        assert!(decode_document(b"junk").is_err());
    }

    #[test]
    fn a_message_from_the_future_is_refused_and_says_so() {
        let told = decode::<Question>(br#"{"version":2,"body":"Sing"}"#)
            .unwrap_err()
            .to_string();
        assert!(told.contains("newer Mainstay"), "{told}");
    }
}
