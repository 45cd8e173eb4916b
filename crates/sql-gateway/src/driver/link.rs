//! Bytes both ways for one session, as long as nothing but bytes happens. Whatever else happens is an [`Event`] for
//! `client.rs`. Polled by hand, so that an idle session holds neither buffers nor timers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use wire::kill::Kill;

use super::connect::Backend;
use super::outbox::Outbox;
use super::scratch;
use crate::gate::GateState;
use crate::reactor::{Socket, micros};
use crate::registry::{Entry, KillMark};
use crate::service::Shared;
use crate::session::{Given, Phase, Refusal, Session, Side, Want};
use crate::tally::{Closed, Opened, Ticket};

/// The most that is read ahead of a statement that is not over.
const MAX_AHEAD: usize = 64 * 1024;

/// Rounds of one session before the others of its thread have their turn.
const ROUNDS: u32 = 32;

/// What the link cannot do itself.
pub(super) enum Event {
    /// The route or a hold changed.
    Gate,
    /// A statement needs a connection, or an open gate.
    Wait,
    /// The client changes its user; the command's payload.
    ChangeUser(Vec<u8>),
    /// A KILL whose target must be looked up.
    Kill(Kill),
    /// The answer to a KILL has come.
    KillAnswered,
    /// Nothing has happened for so long that the connection to the server may be given away.
    Idle,
    /// Somebody killed it while it had no connection to a server.
    Doomed,
    /// The client is gone, or everything is said.
    Gone,
}

/// Both sides of one session.
pub(super) struct Link {
    pub(super) client: Socket,
    pub(super) backend: Option<Backend>,
    pub(super) session: Session,
    pub(super) ahead: Vec<u8>,
    pub(super) killing: bool,
    /// When the statement that waits began to wait.
    pub(super) waiting_since: Option<Instant>,
    /// The epoch of the connection that was lost last.
    pub(super) lost_in: u64,
    to_client: Outbox,
    to_server: Outbox,
    open: bool,
    mark: KillMark,
    /// The thread it lives on.
    lane: usize,
    /// When the statement was sent, by the loop's clock.
    started: u64,
    shared: Arc<Shared>,
}

/// What a link looks at besides its bytes.
pub(super) struct Around<'a> {
    pub(super) entry: &'a Entry,
    pub(super) gate: &'a watch::Receiver<GateState>,
    pub(super) state: &'a GateState,
}

impl Link {
    pub(super) fn new(
        (shared, entry): (Arc<Shared>, &Entry),
        client: Socket,
        mut backend: Backend,
        session: Session,
    ) -> Self {
        let (lane, account) = (entry.lane, entry.account());
        let ticket = || Ticket::new((&shared, lane), account, Side::Primary, Opened::Login);
        // One that was another client's is counted already.
        backend.ticket.get_or_insert_with(ticket);
        Self {
            client,
            backend: Some(backend),
            session,
            ahead: Vec::new(),
            killing: false,
            waiting_since: None,
            lost_in: 0,
            to_client: Outbox::default(),
            to_server: Outbox::default(),
            open: false,
            mark: KillMark::default(),
            lane,
            started: micros(),
            shared,
        }
    }

    /// Moves bytes until an event.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, around: &Around<'_>) -> Poll<Event> {
        for _ in 0..ROUNDS {
            let mut progress = false;
            let client_free = match self.flush_client() {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(_)) => return Poll::Ready(Event::Gone),
                Poll::Pending => false,
            };
            let server_free = self.flush_server();
            self.account(around.entry);
            let want = match self.session.phase() {
                Phase::Ready | Phase::Doubt | Phase::Closing => self.session.want(),
                _ => Want::Nothing,
            };
            match want {
                Want::Nothing => {}
                Want::Close if client_free => return Poll::Ready(Event::Gone),
                Want::Close => return Poll::Pending,
                Want::ChangeUser(payload) => return Poll::Ready(Event::ChangeUser(payload)),
                Want::Ask(_) => return Poll::Ready(Event::Wait),
                Want::Resolve(kill) => return Poll::Ready(Event::Kill(kill)),
                Want::SendIfConnected if self.backend.is_none() => {
                    self.session.skip();
                    continue;
                }
                Want::Send | Want::SendIfConnected => match self.launch(around) {
                    Some(event) => return Poll::Ready(event),
                    None => continue,
                },
            }
            if self.killing && self.session.phase() == Phase::Idle {
                return Poll::Ready(Event::KillAnswered);
            }
            let answers = |backend: &Backend| backend.stream.is_readable();
            if client_free && self.backend.as_ref().is_some_and(answers) {
                progress |= self.read_server(around);
            }
            match self.read_client(server_free) {
                Poll::Ready(Ok(read)) => progress |= read,
                Poll::Ready(Err(_)) => return Poll::Ready(Event::Gone),
                Poll::Pending => {}
            }
            if !progress {
                return Poll::Pending;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// The connection is of no more use: drop it, and let the session decide what that means.
    pub(super) fn lose_backend(&mut self, entry: &Entry, why: Closed) {
        if let Some(mut backend) = self.backend.take() {
            self.lost_in = backend.route.epoch;
            backend.closes(why);
        }
        self.waiting_since = None;
        self.to_server.clear();
        entry.set_server(0);
        if entry.is_doomed() {
            self.session.killed();
        } else {
            self.session.lost();
        }
    }

    /// A fresh connection is there.
    pub(super) fn attach(&mut self, mut backend: Backend, entry: &Entry, why: Opened) {
        let here = (&self.shared, self.lane);
        let ticket = || Ticket::new(here, entry.account(), Side::Primary, why);
        // One that was another client's is counted already.
        backend.ticket.get_or_insert_with(ticket);
        entry.set_server(backend.thread);
        self.to_server.clear();
        self.session.follow_history(backend.route.behind.clone());
        self.backend = Some(backend);
    }

    /// True when the session had nothing to do for this long (0: never), and could part with its connection.
    pub(super) fn is_idle_for(&self, time: Duration) -> bool {
        let idle = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        idle != 0
            && self.backend.is_some()
            && micros().saturating_sub(self.started) >= idle
            && self.ahead.is_empty()
            && self.to_client.is_empty()
            && self.session.can_part()
    }

    /// It is looked at again when it has been idle for as long again.
    pub(super) fn is_not_idle(&mut self) {
        self.started = micros();
    }

    /// True when it was killed while it had no connection to a server.
    pub(super) fn is_doomed(&self, entry: &Entry) -> bool {
        self.backend.is_none() && self.session.phase() == Phase::Idle && entry.is_doomed()
    }

    /// True when every byte for the server has gone and nothing of it is here.
    pub(super) fn is_at_rest(&self) -> bool {
        self.to_server.is_empty() && !self.to_server.is_broken()
    }

    /// Nothing of this session counts as open any more.
    pub(super) fn leave(&mut self) {
        if std::mem::take(&mut self.open) {
            self.shared.gate.leave(self.lane);
        }
    }

    fn account(&mut self, entry: &Entry) {
        if let Some(toll) = self.session.take_toll() {
            let micros = micros().saturating_sub(self.started);
            let tally = self.shared.tally(entry);
            tally.answered(entry.account(), &toll, micros);
        }
        if self.session.phase() == Phase::Idle {
            self.waiting_since = None;
        }
        if self.open && !self.session.is_open() && self.session.phase() != Phase::Ready {
            self.leave();
        }
        let errors = self.session.take_errors();
        if errors > 0 {
            self.shared
                .counters
                .errors
                .fetch_add(u64::from(errors), Ordering::Relaxed);
            let tally = self.shared.tally(entry);
            tally.refused(entry.account(), errors);
        }
    }

    fn flush_client(&mut self) -> Poll<io::Result<()>> {
        if !self.session.to_client.is_empty() {
            let bytes = std::mem::take(&mut self.session.to_client);
            self.to_client.send(&mut self.client, &bytes);
        }
        if self.to_client.is_empty() && !self.to_client.is_broken() {
            return Poll::Ready(Ok(()));
        }
        self.to_client.poll_flush(&mut self.client)
    }

    fn flush_server(&mut self) -> bool {
        let Some(backend) = &mut self.backend else {
            return true;
        };
        if !self.session.to_server.is_empty() {
            let bytes = std::mem::take(&mut self.session.to_server);
            self.to_server.send(&mut backend.stream, &bytes);
        }
        // Why: after a failed write the server may still have said why; reading finds that, or the end.
        self.to_server.is_empty() || self.to_server.poll_flush(&mut backend.stream).is_ready()
    }

    /// Sends the statement, if it may go now.
    fn launch(&mut self, around: &Around<'_>) -> Option<Event> {
        if !self.session.in_transaction() && !self.open {
            self.shared.gate.enter(self.lane);
            self.open = true;
        }
        if around.gate.has_changed().unwrap_or(false) {
            return Some(Event::Gate);
        }
        let free = !around.state.shut(self.session.in_transaction());
        let (true, false, Some(backend)) = (free, self.session.was_refused(), &mut self.backend)
        else {
            return Some(Event::Wait);
        };
        self.mark = around.entry.mark();
        match self.session.launch() {
            Ok(bytes) => {
                let sent = self.to_server.send(&mut backend.stream, bytes);
                if sent == 0 && !bytes.is_empty() && self.to_server.is_empty() {
                    self.session.not_sent();
                }
                self.started = micros();
                self.shared.lanes[self.lane].count_statement();
                self.session.unanswered_ends();
            }
            Err(fault) => self.session.fail(&fault),
        }
        None
    }

    fn read_server(&mut self, around: &Around<'_>) -> bool {
        let Some(Backend { stream, route, .. }) = &mut self.backend else {
            return false;
        };
        let killed = around.entry.was_killed_since(self.mark);
        let Self {
            client,
            session,
            to_client,
            ..
        } = self;
        let read = scratch::poll_read(stream, |chunk| {
            if chunk.is_empty() {
                return Err(Refusal::Broken);
            }
            // Why here: the answer is newer than the question, and so is what it must be held against.
            if session.reads_afresh() && route.lease.is_over() {
                return Err(Refusal::Broken);
            }
            let mut rest = chunk;
            while !rest.is_empty() {
                let Given { used, pass } = session.server_bytes(rest, killed)?;
                if pass > 0 {
                    to_client.send(client, &rest[..pass]);
                }
                if !session.to_client.is_empty() {
                    let bytes = std::mem::take(&mut session.to_client);
                    to_client.send(client, &bytes);
                }
                rest = &rest[used..];
            }
            Ok(())
        });
        match read {
            Poll::Pending => return false,
            Poll::Ready(Ok(Ok(()))) => {}
            Poll::Ready(Ok(Err(Refusal::Tell(fault)))) => {
                self.session.fail(&fault);
                self.lose_backend(around.entry, Closed::Lost);
            }
            Poll::Ready(Ok(Err(Refusal::Broken)) | Err(_)) => {
                self.lose_backend(around.entry, Closed::Lost);
            }
        }
        true
    }

    /// Reads the client: what matters now, or a little ahead, so that its end is noticed.
    fn read_client(&mut self, server_free: bool) -> Poll<io::Result<bool>> {
        let wanted = self.session.takes_client_bytes();
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

impl Drop for Link {
    fn drop(&mut self) {
        // Why: also when the task is cut short, or a hold would wait for it for ever.
        self.leave();
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
