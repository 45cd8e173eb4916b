//! What happens most: a statement of the client goes to its server, or an answer to the client, and nothing else is to be
//! done. The same as rounds of [`Link::poll`], which looks at all that there may be, for a part of the work.

use std::task::{Context, Poll};

use super::elsewhere::Elsewhere;
use super::link::{Around, Event, Launched, Link};
use super::scratch;
use crate::session::Phase;

impl Link {
    /// Passes on what has come, if that is all. `None`: there may be more to do.
    pub(super) fn pass_on(
        &mut self,
        cx: &mut Context<'_>,
        around: &Around<'_>,
    ) -> Option<Poll<Event>> {
        if !std::mem::take(&mut self.calm) && !self.is_calm() {
            return None;
        }
        let mut waits = false;
        match self.session.phase() {
            // Why not when a server has spoken: its farewell comes before the next statement.
            Phase::Idle if self.client.is_readable() && !self.is_spoken_to() => {
                self.learn_names();
                if !self.read_command() {
                    return Some(Poll::Ready(Event::Gone));
                }
                if !self.session.may_launch() {
                    return None;
                }
                match self.launch(cx, around) {
                    Launched::Event(event) => return Some(Poll::Ready(event)),
                    Launched::Later => waits = true,
                    Launched::Yes => {}
                }
            }
            // The primary has said how far it is.
            Phase::Ready if self.waits_for_word() && !self.is_spoken_to() => {
                match self.launch(cx, around) {
                    Launched::Event(event) => return Some(Poll::Ready(event)),
                    Launched::Later => waits = true,
                    Launched::Yes => {}
                }
            }
            Phase::Flight if self.has_answer() => {
                self.read_server(around);
                self.account(around);
            }
            Phase::Flight if self.has_answer_elsewhere() => {
                self.read_replica();
                self.account(around);
            }
            _ => return None,
        }
        let is_usual = match self.session.phase() {
            Phase::Idle | Phase::Flight => true,
            Phase::Ready => waits,
            _ => false,
        };
        let is_over = is_usual && self.is_dry() && !self.client.is_readable();
        self.calm = is_over && !self.is_spoken_to() && !self.killing;
        self.calm.then_some(Poll::Pending)
    }

    /// True while a read waits for the primary's word how far it is.
    fn waits_for_word(&self) -> bool {
        let waits = |elsewhere: &Elsewhere| elsewhere.waits();
        self.session.phase() == Phase::Ready && self.elsewhere.as_deref().is_some_and(waits)
    }

    /// Reads an idle client; what is more than a command waits. False: the client is gone.
    fn read_command(&mut self) -> bool {
        let (session, ahead) = (&mut self.session, &mut self.ahead);
        let read = scratch::poll_read(&mut self.client, |chunk| {
            let used = session.client_bytes(chunk).used;
            if used < chunk.len() {
                ahead.extend_from_slice(&chunk[used..]);
            }
            !chunk.is_empty()
        });
        matches!(read, Poll::Pending | Poll::Ready(Ok(true)))
    }

    /// True when nothing but bytes happens here, and none wait to be written or to be looked at.
    fn is_calm(&self) -> bool {
        !self.killing && self.is_dry()
    }

    /// True when no bytes wait to be written or to be looked at, and the client takes what it is sent.
    fn is_dry(&self) -> bool {
        let session = &self.session;
        let made = session.to_client.len() | session.to_server.len() | self.ahead.len();
        let kept = self.to_client.is_empty() && self.to_server.is_empty();
        made == 0 && kept && !self.to_client.is_broken() && self.is_dry_elsewhere()
    }

    fn is_dry_elsewhere(&self) -> bool {
        match &self.elsewhere {
            Some(elsewhere) => elsewhere.is_dry() && !self.session.has_more_for_replica(),
            None => true,
        }
    }

    /// True when a server may have said something.
    #[inline]
    fn is_spoken_to(&self) -> bool {
        self.has_answer() || self.has_answer_elsewhere()
    }

    /// True when the primary may have said something.
    #[inline]
    fn has_answer(&self) -> bool {
        match &self.backend {
            Some(backend) => backend.stream.is_readable(),
            None => false,
        }
    }

    /// True when the replica may have said something.
    #[inline]
    fn has_answer_elsewhere(&self) -> bool {
        match &self.elsewhere {
            Some(elsewhere) => elsewhere.has_answer(),
            None => false,
        }
    }
}
