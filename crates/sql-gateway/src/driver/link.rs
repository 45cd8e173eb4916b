//! Bytes both ways for one session, as long as nothing but bytes happens. Whatever else happens is an [`Event`] for
//! `client.rs`. Polled by hand, so that an idle session holds neither buffers nor timers. `link/server.rs` is the
//! server's side.

mod server;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use wire::kill::Kill;
use wire::login::Login;

use super::connect::Backend;
use super::elsewhere::{Elsewhere, Went};
use super::outbox::Outbox;
use super::spread::{Runs, Spread};
use crate::gate::GateState;
use crate::reactor::{Socket, now};
use crate::registry::{Entry, KillMark};
use crate::secret::Credential;
use crate::service::Shared;
use crate::session::{Phase, Session, Want};
use crate::tally::{Opened, Ticket};

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
    /// Reads on replicas; `None`: this session's reads all go to the primary.
    pub(super) elsewhere: Option<Box<Elsewhere>>,
    pub(super) spread: Rc<Spread>,
    /// Where its statement is counted.
    pub(super) runs: Runs,
    /// Its statement may change what names mean.
    defines: bool,
    /// It was left with nothing to be done, and nobody has touched it since.
    pub(super) calm: bool,
    pub(super) to_client: Outbox,
    pub(super) to_server: Outbox,
    open: bool,
    mark: KillMark,
    /// The thread it lives on.
    pub(super) lane: usize,
    /// When the statement was sent, by the loop's clock.
    pub(super) started: Instant,
    pub(super) shared: Arc<Shared>,
}

/// What a link looks at besides its bytes.
pub(super) struct Around<'a> {
    pub(super) entry: &'a Entry,
    pub(super) gate: &'a watch::Receiver<GateState>,
    pub(super) state: &'a GateState,
    pub(super) login: &'a Login,
    pub(super) credential: &'a Credential,
}

/// What became of a statement that was to be sent.
pub(super) enum Launched {
    /// It is on its way, or answered.
    Yes,
    /// It waits for a word that wakes this task.
    Later,
    /// Something else must happen first.
    Event(Event),
}

impl Link {
    pub(super) fn new(
        (shared, entry): (Arc<Shared>, &Entry),
        client: Socket,
        mut backend: Backend,
        session: Session,
    ) -> Self {
        let (lane, account) = (entry.lane, entry.account());
        let side = backend.side();
        let ticket = || Ticket::new((&shared, lane), account, side, Opened::Login);
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
            elsewhere: None,
            spread: Spread::here(),
            runs: Runs::Nowhere,
            defines: false,
            calm: false,
            to_client: Outbox::default(),
            to_server: Outbox::default(),
            open: false,
            mark: KillMark::default(),
            lane,
            started: now(),
            shared,
        }
    }

    /// Moves bytes until an event.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>, around: &Around<'_>) -> Poll<Event> {
        if let Some(over) = self.pass_on(cx, around) {
            return over;
        }
        for _ in 0..ROUNDS {
            let mut progress = false;
            let client_free = match self.flush_client() {
                Poll::Ready(Ok(())) => true,
                Poll::Ready(Err(_)) => return Poll::Ready(Event::Gone),
                Poll::Pending => false,
            };
            let server_free = self.flush_server();
            if self.elsewhere.is_some() {
                self.flush_replica();
            }
            self.account(around);
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
                Want::Send | Want::SendIfConnected => match self.launch(cx, around) {
                    Launched::Event(event) => return Poll::Ready(event),
                    Launched::Yes => continue,
                    Launched::Later => {}
                },
            }
            if self.killing && self.session.phase() == Phase::Idle {
                return Poll::Ready(Event::KillAnswered);
            }
            let answers = |backend: &Backend| backend.stream.is_readable();
            if client_free && self.backend.as_ref().is_some_and(answers) {
                progress |= self.read_server(around);
            }
            if client_free && self.elsewhere.is_some() {
                progress |= self.read_replica();
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

    /// True when the session had nothing to do for this long (0: never), and could part with its connection.
    pub(super) fn is_idle_for(&self, time: Duration) -> bool {
        !time.is_zero()
            && self.backend.is_some()
            && now().saturating_duration_since(self.started) >= time
            && self.ahead.is_empty()
            && self.to_client.is_empty()
            && self.session.can_part()
    }

    /// It is looked at again when it has been idle for as long again.
    pub(super) fn is_not_idle(&mut self) {
        self.started = now();
    }

    /// True when it was killed while it had no connection to a server.
    pub(super) fn is_doomed(&self, entry: &Entry) -> bool {
        let is_open = self.backend.is_none() || entry.manner.reads_only;
        is_open && self.session.phase() == Phase::Idle && entry.is_doomed()
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

    /// Sends the statement, if it may go now.
    pub(super) fn launch(&mut self, cx: &mut Context<'_>, around: &Around<'_>) -> Launched {
        if around.entry.manner.reads_only {
            return self.launch_read(cx, around);
        }
        if !self.session.in_transaction() && !self.open {
            self.shared.gate.enter(self.lane);
            self.open = true;
        }
        if around.gate.has_changed().unwrap_or(false) {
            return Launched::Event(Event::Gate);
        }
        let free = !around.state.shut(self.session.in_transaction());
        if !free || self.session.was_refused() || self.backend.is_none() {
            if self.wait_no_more(around) {
                return Launched::Yes;
            }
            return Launched::Event(Event::Wait);
        }
        match self.send_elsewhere(cx, around) {
            Went::Waits => return Launched::Later,
            Went::There | Went::Killed => return Launched::Yes,
            Went::Here => {}
        }
        if self.shared.config.split {
            // Why once: under LOCK TABLES one definition follows another, and all of them end together.
            if !self.defines && self.session.may_define() {
                self.defines = true;
                self.shared.lexicon.definition_begins();
            }
            self.runs_at(Runs::Primary);
        }
        let Some(backend) = &mut self.backend else {
            return Launched::Event(Event::Wait);
        };
        self.mark = around.entry.mark();
        match self.session.launch() {
            Ok(bytes) => {
                let sent = self.to_server.send(&mut backend.stream, bytes);
                if sent == 0 && !bytes.is_empty() && self.to_server.is_empty() {
                    self.session.not_sent();
                }
                self.started = now();
                self.shared.lanes[self.lane].count_statement();
                self.session.unanswered_ends();
            }
            Err(fault) => self.session.fail(&fault),
        }
        Launched::Yes
    }

    /// The same for a client that only reads. Nobody waits for it: neither a hold nor a definition.
    #[cold]
    fn launch_read(&mut self, cx: &mut Context<'_>, around: &Around<'_>) -> Launched {
        if around.gate.has_changed().unwrap_or(false) {
            return Launched::Event(Event::Gate);
        }
        if !self.reads_here(around) {
            return if self.session.phase() == Phase::Ready {
                Launched::Event(Event::Wait)
            } else {
                Launched::Yes
            };
        }
        self.mark = around.entry.mark();
        let Some(backend) = &mut self.backend else {
            return Launched::Event(Event::Wait);
        };
        match self.session.launch() {
            Ok(bytes) => {
                let sent = self.to_server.send(&mut backend.stream, bytes);
                if sent == 0 && !bytes.is_empty() && self.to_server.is_empty() {
                    self.session.not_sent();
                }
                self.counts_read(around, cx.waker());
                self.session.unanswered_ends();
            }
            Err(fault) => self.session.fail(&fault),
        }
        Launched::Yes
    }

    /// What may have changed what names mean is over.
    fn defined(&mut self) {
        self.defines = false;
        self.shared.lexicon.definition_ended(self.session.wrote());
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // Why: also when the task is cut short, or a hold would wait for it for ever.
        self.leave();
        self.spread.ended(self.runs);
        if self.defines {
            self.defined();
        }
    }
}
