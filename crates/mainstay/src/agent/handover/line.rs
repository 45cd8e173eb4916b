//! What an old process and its heir say to each other, version 1: packets of JSON on a socket pair. With `go` travel
//! the lock of DATA_DIR and the listening sockets, in this order.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use serde::{Deserialize, Serialize};

use crate::output::Failure;

/// Of both directions.
pub(super) const VERSION: u32 = 1;
/// Limit: the kernel passes 253 descriptors at once.
pub(super) const MOST_SOCKETS: usize = 200;
const MOST_BYTES: usize = 16 * 1024;

/// One packet.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "say")]
pub(super) enum Word {
    /// The heir: its configuration and papers are in order, it waits.
    Prepared {
        /// [`VERSION`].
        line: u32,
        /// Its process.
        pid: u32,
        /// Of the program.
        version: String,
    },
    /// The heir: it cannot, and ends.
    Failed(Failure),
    /// The old process: everything is yours.
    Go,
    /// The heir: it is the agent.
    Serving,
}

/// One end.
#[derive(Clone, Debug)]
pub(super) struct Line(Arc<OwnedFd>);

impl Line {
    /// Both ends.
    pub(super) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        Ok((Self::new(ours), theirs))
    }

    pub(super) fn new(end: OwnedFd) -> Self {
        Self(Arc::new(end))
    }

    /// Says it; never waits long: a packet fits the socket's buffer.
    pub(super) fn say(&self, word: &Word, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
        let bytes = serde_json::to_vec(word)?;
        let mut space =
            vec![MaybeUninit::uninit(); SendAncillaryMessage::ScmRights(sockets).size()];
        let mut beside = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() && !beside.push(SendAncillaryMessage::ScmRights(sockets)) {
            return Err(io::Error::other("too many sockets"));
        }
        let flags = SendFlags::NOSIGNAL;
        sendmsg(self.0.as_fd(), &[IoSlice::new(&bytes)], &mut beside, flags)?;
        Ok(())
    }

    /// The next word and what came with it. `UnexpectedEof`: the other side has ended.
    pub(super) async fn hear(&self, limit: Duration) -> io::Result<(Word, Vec<OwnedFd>)> {
        let line = self.clone();
        let heard = tokio::task::spawn_blocking(move || line.wait(limit)).await;
        heard.map_err(io::Error::other)?
    }

    fn wait(&self, limit: Duration) -> io::Result<(Word, Vec<OwnedFd>)> {
        set_socket_timeout(self.0.as_fd(), Timeout::Recv, Some(limit))?;
        let mut bytes = vec![0; MOST_BYTES];
        let mut space =
            vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST_SOCKETS + 1))];
        let mut beside = RecvAncillaryBuffer::new(&mut space);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let flags = RecvFlags::CMSG_CLOEXEC;
        let got = recvmsg(self.0.as_fd(), &mut parts, &mut beside, flags)?.bytes;
        let mut sockets = Vec::new();
        for message in beside.drain() {
            if let RecvAncillaryMessage::ScmRights(passed) = message {
                sockets.extend(passed);
            }
        }
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok((serde_json::from_slice(&bytes[..got])?, sockets))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    const LIMIT: Duration = Duration::from_mins(1);

    #[tokio::test]
    async fn words_when_said_then_heard_with_their_sockets_and_the_end_is_noticed() {
        let (ours, theirs) = Line::pair().unwrap();
        let theirs = Line::new(theirs);
        let (mut one, other) = std::os::unix::net::UnixStream::pair().unwrap();
        let many = vec![other.as_fd(); MOST_SOCKETS + 1];
        ours.say(&Word::Go, &many).unwrap();
        let failed = Word::Failed(Failure::refused("no").hint("never"));
        ours.say(&failed, &[]).unwrap();
        let (word, sockets) = theirs.hear(LIMIT).await.unwrap();
        assert!(matches!(word, Word::Go) && sockets.len() == MOST_SOCKETS + 1);
        one.write_all(b"x").unwrap();
        let mut passed = std::os::unix::net::UnixStream::from(sockets.into_iter().last().unwrap());
        let mut byte = [0];
        std::io::Read::read_exact(&mut passed, &mut byte).unwrap();
        let (word, _) = theirs.hear(LIMIT).await.unwrap();
        assert!(matches!(word, Word::Failed(failure) if failure.hint.as_deref() == Some("never")));
        drop(ours);
        let error = theirs.hear(LIMIT).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
