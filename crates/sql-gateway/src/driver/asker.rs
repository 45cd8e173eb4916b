//! Who asks the primary how far it is, for all sessions of a thread: one connection, one question at a time, logged in
//! as the session that wanted it first.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use wire::flags;
use wire::login::Login;

use super::connect::{Account, Attempt, Backend, connect};
use super::one_row::OneRow;
use super::scratch;
use super::spread::Spread;
use crate::freshness::QUESTION;
use crate::gate::GateState;
use crate::reactor::{Sleep, now, sleep_until, spawn, timeout};
use crate::route::Route;
use crate::secret::Credential;
use crate::service::Shared;
use crate::session::query_packet;

/// A primary that has not answered after so long keeps nobody waiting any longer.
const ANSWER: Duration = Duration::from_millis(200);
/// After a failure nobody asks for so long: reads go to the primary.
const PAUSE: Duration = Duration::from_millis(500);

/// The asker of one thread, as its sessions see it.
pub(super) struct Asker {
    route: Arc<Route>,
    /// Somebody waits for an answer to a question that was not sent yet.
    wanted: Cell<bool>,
    waker: RefCell<Option<Waker>>,
    question: Vec<u8>,
    state: Cell<State>,
}

impl Asker {
    /// It asks when everybody who has come has had a turn: one question for all of them.
    fn want(&self) {
        if !self.wanted.replace(true) {
            self.wake();
        }
    }

    fn is_woken_by(&self, waker: &Waker) {
        let mut known = self.waker.borrow_mut();
        // Why asked: it is the same after each answer.
        if !known.as_ref().is_some_and(|it| it.will_wake(waker)) {
            *known = Some(waker.clone());
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Connecting,
    Ready,
    /// Until then nobody tries again.
    Failed(Instant),
    Over,
}

/// As whom it logs in.
pub(super) struct Identity {
    pub(super) login: Login,
    pub(super) credential: Credential,
    pub(super) peer: Option<std::net::SocketAddr>,
}

impl Spread {
    /// Asks, unless the question is under way. False: nobody can be asked now.
    pub(super) fn ask(
        self: &Rc<Self>,
        shared: &Arc<Shared>,
        route: &Arc<Route>,
        identity: impl FnOnce() -> Identity,
    ) -> bool {
        let mut asker = self.asker.borrow_mut();
        if let Some(asker) = &*asker {
            let is_same = || asker.route.epoch == route.epoch && asker.route.target == route.target;
            // Why first: most often nothing has been announced since.
            let is_current = Arc::ptr_eq(&asker.route, route) || is_same();
            match asker.state.get() {
                State::Ready if is_current => {
                    asker.want();
                    return true;
                }
                State::Connecting if is_current => return false,
                State::Failed(until) if is_current && Instant::now() < until => return false,
                _ => {}
            }
        }
        let new = Rc::new(Asker {
            route: Arc::clone(route),
            wanted: Cell::new(false),
            waker: RefCell::default(),
            question: query_packet(QUESTION.as_bytes()),
            state: Cell::new(State::Connecting),
        });
        if let Some(old) = asker.replace(Rc::clone(&new)) {
            old.wake();
        }
        drop(asker);
        spawn(run(
            new,
            Rc::clone(self),
            Arc::clone(shared),
            Box::new(identity()),
        ));
        false
    }

    /// True when the answers of another asker count.
    fn has_other(&self, asker: &Asker) -> bool {
        let now = self.asker.borrow();
        !now.as_deref().is_some_and(|now| std::ptr::eq(now, asker))
    }
}

async fn run(asker: Rc<Asker>, spread: Rc<Spread>, shared: Arc<Shared>, identity: Box<Identity>) {
    let outcome = serve(&asker, &spread, &shared, *identity).await;
    asker.state.set(match &outcome {
        Ok(()) => State::Over,
        Err(why) => {
            tracing::debug!(why, "the primary does not say how far it is");
            State::Failed(Instant::now() + PAUSE)
        }
    });
    if !spread.has_other(&asker) {
        spread.failed();
    }
}

/// Asks whenever somebody wants it, until the primary is another one.
async fn serve(
    asker: &Rc<Asker>,
    spread: &Spread,
    shared: &Shared,
    identity: Identity,
) -> Result<(), String> {
    let marks_ends = identity.login.capabilities & flags::DEPRECATE_EOF == 0;
    let backend = log_in(asker, shared, identity).await?;
    asker.state.set(State::Ready);
    let mut gate = shared.gate.watch();
    // Why: what happened before is not seen as a change.
    gate.mark_changed();
    let mut talk = Talk {
        backend,
        gate,
        answer: OneRow::new(marks_ends),
        asked: None,
        patience: None,
    };
    poll_fn(|cx| talk.poll(cx, asker, spread)).await
}

/// Questions and answers on its connection.
struct Talk {
    backend: Backend,
    gate: watch::Receiver<GateState>,
    answer: OneRow,
    /// The number of the question under way, and when it was sent.
    asked: Option<(u64, Instant)>,
    /// Looks after an answer that does not come. Why not one for each question: they are many, and answered at once.
    patience: Option<(Instant, Pin<Box<Sleep>>)>,
}

impl Talk {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        asker: &Asker,
        spread: &Spread,
    ) -> Poll<Result<(), String>> {
        // Who wakes this task for it: see `follow` in `service.rs`.
        if !self.is_current(asker) {
            return Poll::Ready(Ok(()));
        }
        loop {
            if let Some((question, since)) = self.asked {
                ready!(self.listen(cx, since))?;
                self.asked = None;
                // Why here: the answer is newer than the question, and so is what it must be held against.
                if asker.route.lease.is_over() || !self.is_current(asker) {
                    return Poll::Ready(Err("what it says may be out of date".to_owned()));
                }
                let text = self.answer.text().ok_or("it refuses the question")?;
                let epoch = asker.route.epoch;
                let mut horizon = spread.horizon.borrow_mut();
                let told = horizon.answer(question, epoch, text);
                told.map_err(|_| "its answer is no position")?;
                drop(horizon);
                spread.answered();
            }
            if spread.has_other(asker) {
                return Poll::Ready(Ok(()));
            }
            if !asker.wanted.take() {
                asker.is_woken_by(cx.waker());
                return Poll::Pending;
            }
            let question = spread.horizon.borrow_mut().ask(asker.route.epoch);
            self.asked = Some((question, now()));
            self.answer.begin();
            let packet = &asker.question;
            let sent = self.backend.stream.poll_write(packet);
            // Why nothing less: a connection that owes nothing has room for so little.
            if !matches!(sent, Poll::Ready(Ok(sent)) if sent == packet.len()) {
                return Poll::Ready(Err("it takes no question".to_owned()));
            }
        }
    }

    /// True while the gate says that its primary is the primary.
    fn is_current(&mut self, asker: &Asker) -> bool {
        !self.gate.has_changed().unwrap_or(true)
            || self.gate.borrow_and_update().is_current(&asker.route)
    }

    /// Ready when all of the answer is here.
    fn listen(&mut self, cx: &mut Context<'_>, since: Instant) -> Poll<Result<(), String>> {
        while !self.answer.is_over() {
            let answer = &mut self.answer;
            let read = scratch::poll_read(&mut self.backend.stream, |chunk| answer.take(chunk));
            match read {
                Poll::Ready(Ok(Ok(()))) => {}
                Poll::Ready(Ok(Err(why))) => return Poll::Ready(Err(why.to_owned())),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.to_string())),
                Poll::Pending => return self.wait(cx, since).map(Err),
            }
        }
        Poll::Ready(Ok(()))
    }

    /// For the answer; ready when it has taken too long.
    fn wait(&mut self, cx: &mut Context<'_>, since: Instant) -> Poll<String> {
        // Why the loop's clock: by the same the loop takes its timers, so this one still lies there.
        if self
            .patience
            .as_ref()
            .is_some_and(|(until, _)| now() < *until)
        {
            return Poll::Pending;
        }
        let until = since + ANSWER;
        let mut patience = Box::pin(sleep_until(until));
        let is_over = patience.as_mut().poll(cx).is_ready();
        self.patience = Some((until, patience));
        if is_over {
            return Poll::Ready("no answer in time".to_owned());
        }
        Poll::Pending
    }
}

async fn log_in(asker: &Asker, shared: &Shared, identity: Identity) -> Result<Backend, String> {
    let account = Account {
        login: &identity.login,
        database: b"",
        credential: Some(identity.credential),
        peer: identity.peer,
    };
    let limit = shared.config.connect_timeout;
    let attempt = timeout(limit, connect(shared, &asker.route, account, None)).await;
    match attempt {
        Ok(Attempt::Connected(backend, _, _)) => Ok(backend),
        Ok(Attempt::Failed(why)) => Err(why),
        Ok(Attempt::Refused(_) | Attempt::ClientGone) => Err("it refuses the login".to_owned()),
        Err(_) => Err("no login in time".to_owned()),
    }
}
