//! What a client sends: what matters now goes to the session, the rest waits for its turn.

use std::io;
use std::task::Poll;

use super::connect::Backend;
use super::link::Link;
use super::outbox::Outbox;
use super::scratch;
use crate::session::Session;

/// The most that is read ahead of a statement that is not over.
const MAX_AHEAD: usize = 64 * 1024;

impl Link {
    /// Reads the client: what matters now, or a little ahead, so that its end is noticed.
    pub(super) fn read_client(&mut self, server_free: bool) -> Poll<io::Result<bool>> {
        let wanted = self.session.takes_client_bytes();
        if wanted && self.elsewhere.is_some() {
            self.learn_names();
        }
        if wanted && !server_free {
            return Poll::Pending;
        }
        if wanted && !self.ahead.is_empty() {
            let ahead = std::mem::take(&mut self.ahead);
            let used = feed(
                &mut self.session,
                self.backend.as_mut(),
                &mut self.to_server,
                &ahead,
            );
            self.ahead = ahead[used..].to_vec();
            if used > 0 {
                return Poll::Ready(Ok(true));
            }
        }
        // Why not ahead of compressed ones: the frames of an answer are numbered after those of its question.
        let is_early = !wanted && self.client.is_zipped();
        if self.ahead.len() >= MAX_AHEAD || !self.client.is_readable() || is_early {
            return Poll::Pending;
        }
        let Self {
            client,
            session,
            backend,
            to_server,
            ahead,
            ..
        } = self;
        if ahead.is_empty()
            && let Some(number) = session.file_number()
        {
            client.asks_for_file(number);
        }
        let read = scratch::poll_read(client, |chunk| {
            if chunk.is_empty() {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
            }
            if wanted && ahead.is_empty() {
                let used = feed(session, backend.as_mut(), to_server, chunk);
                ahead.extend_from_slice(&chunk[used..]);
            } else {
                ahead.extend_from_slice(chunk);
            }
            Ok(true)
        });
        read.map(|outcome| outcome.and_then(|inner| inner))
    }
}

/// Hands client bytes to the session and what it passes on to the server; says how many were used.
fn feed(
    session: &mut Session,
    mut backend: Option<&mut Backend>,
    to_server: &mut Outbox,
    bytes: &[u8],
) -> usize {
    let mut at = 0;
    while at < bytes.len() && session.takes_client_bytes() {
        let taken = session.client_bytes(&bytes[at..]);
        if taken.pass > 0
            && let Some(backend) = backend.as_deref_mut()
        {
            to_server.send(&mut backend.stream, &bytes[at..at + taken.pass]);
        }
        if taken.used == 0 {
            break;
        }
        at += taken.used;
    }
    at
}
