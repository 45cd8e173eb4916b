//! Frames inside TLS: a length of four bytes (big endian) and so many bytes. The first frame of a
//! connection says what it is for (`Opening`, JSON) and is answered by `Answer`; what follows depends
//! on it. Lengths are checked before anything is allocated.

use std::io;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{Error, Result};

/// The longest request or answer of a call, in bytes (16 MiB).
pub const MAX_FRAME: usize = 16 * 1024 * 1024;
/// The longest opening and answer frame.
pub(crate) const MAX_OPENING: usize = 64 * 1024;
/// Raised when an older program could not understand the frames any more.
pub(crate) const PROTOCOL: u32 = 1;
/// A vector starts no larger than this, whatever length the other side names.
const FIRST_ALLOCATION: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Purpose {
    Call,
    Stream,
    Join,
}

/// The first frame of a connection.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Opening {
    pub(crate) protocol: u32,
    pub(crate) purpose: Purpose,
    pub(crate) service: String,
    #[serde(default)]
    pub(crate) header: serde_json::Value,
}

impl Opening {
    pub(crate) fn new(purpose: Purpose, service: &str, header: serde_json::Value) -> Self {
        Self {
            protocol: PROTOCOL,
            purpose,
            service: service.to_owned(),
            header,
        }
    }
}

/// The reply to an opening.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    #[serde(rename = "accepted")]
    Accepted,
    #[serde(rename = "refused")]
    Refused(String),
}

/// Reads one frame; `None` when the other side ended the connection before its first byte.
pub(crate) async fn read<S>(stream: &mut S, limit: usize) -> Result<Option<Vec<u8>>, Failure>
where
    S: AsyncRead + Unpin,
{
    let mut length = [0_u8; 4];
    let first = stream.read(&mut length).await?;
    if first == 0 {
        return Ok(None);
    }
    stream.read_exact(&mut length[first..]).await?;
    let size = u32::from_be_bytes(length) as usize;
    if size > limit {
        return Err(Failure::TooLarge { size, limit });
    }
    let mut frame = Vec::with_capacity(size.min(FIRST_ALLOCATION));
    stream.take(size as u64).read_to_end(&mut frame).await?;
    if frame.len() < size {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(Some(frame))
}

/// Writes one frame made of the given parts, as one write.
pub(crate) async fn write<S>(stream: &mut S, parts: &[&[u8]], limit: usize) -> Result<(), Failure>
where
    S: AsyncWrite + Unpin,
{
    let size = parts.iter().map(|part| part.len()).sum::<usize>();
    if size > limit {
        return Err(Failure::TooLarge { size, limit });
    }
    let mut frame = Vec::with_capacity(size + 4);
    frame.extend((size as u32).to_be_bytes());
    for part in parts {
        frame.extend_from_slice(part);
    }
    stream.write_all(&frame).await?;
    Ok(stream.flush().await?)
}

/// Reads a JSON frame of bounded size.
pub(crate) async fn read_json<S, T>(stream: &mut S, limit: usize) -> Result<T, Failure>
where
    S: AsyncRead + Unpin,
    T: DeserializeOwned,
{
    let frame = read(stream, limit).await?;
    let frame = frame.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
    serde_json::from_slice(&frame).map_err(|error| Failure::Nonsense(error.to_string()))
}

/// Writes a JSON frame.
pub(crate) async fn write_json<S, T>(stream: &mut S, value: &T, limit: usize) -> Result<(), Failure>
where
    S: AsyncWrite + Unpin,
    T: Serialize,
{
    let text = serde_json::to_vec(value).map_err(|error| Failure::Nonsense(error.to_string()))?;
    write(stream, &[&text], limit).await
}

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("a frame of {size} bytes, the limit is {limit}")]
    TooLarge { size: usize, limit: usize },
    #[error("{0}")]
    Nonsense(String),
}

impl Failure {
    /// The error of a conversation with this peer.
    pub(crate) fn with(self, peer: &str) -> Error {
        match self {
            Self::Io(source) => crate::session::lost(peer, source),
            Self::TooLarge { size, limit } => Error::TooLarge { size, limit },
            Self::Nonsense(reason) => Error::Protocol {
                peer: peer.to_owned(),
                reason,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run<T>(work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .unwrap();
        runtime.block_on(work)
    }

    proptest! {
        #[test]
        fn frame_when_written_and_read_then_the_same(body in prop::collection::vec(any::<u8>(), 0..300)) {
            let mut wire = Vec::new();
            run(write(&mut wire, &[&body[..body.len() / 2], &body[body.len() / 2..]], 300)).unwrap();
            prop_assert_eq!(wire.len(), body.len() + 4);
            prop_assert_eq!(run(read(&mut &wire[..], 300)).unwrap(), Some(body));
            prop_assert!(run(read(&mut &wire[..wire.len() - 1], 300)).is_err());
        }

        #[test]
        fn frame_when_of_any_bytes_then_never_longer_than_the_limit(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            if let Ok(Some(frame)) = run(read(&mut &bytes[..], 100)) {
                prop_assert!(frame.len() <= 100);
            }
            let opening: Result<Opening, _> = run(read_json(&mut &bytes[..], 100));
            prop_assert!(opening.is_err());
        }
    }
}
