//! Who asks the primary how far it is, for all sessions of a thread: one connection, one question at a time, logged in
//! as the session that wanted it first.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use wire::flags;
use wire::gtid::Position;
use wire::login::Login;

use super::connect::{Account, Attempt, Backend, connect};
use super::one_text::one_text;
use super::spread::Spread;
use crate::freshness::QUESTION;
use crate::reactor::{spawn, timeout};
use crate::route::Route;
use crate::secret::Credential;
use crate::service::Shared;

/// A primary that has not answered after so long keeps nobody waiting any longer.
const ANSWER: Duration = Duration::from_millis(200);
/// After a failure nobody asks for so long: reads go to the primary.
const PAUSE: Duration = Duration::from_millis(500);

/// The asker of one thread, as its sessions see it.
pub(super) struct Asker {
    route: Arc<Route>,
    wanted: Notify,
    state: Cell<State>,
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
            let is_current = asker.route.epoch == route.epoch && asker.route.target == route.target;
            match asker.state.get() {
                State::Ready if is_current => {
                    asker.wanted.notify_one();
                    return true;
                }
                State::Connecting if is_current => return false,
                State::Failed(until) if is_current && Instant::now() < until => return false,
                _ => {}
            }
        }
        let new = Rc::new(Asker {
            route: Arc::clone(route),
            wanted: Notify::new(),
            state: Cell::new(State::Connecting),
        });
        if let Some(old) = asker.replace(Rc::clone(&new)) {
            old.wanted.notify_one();
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

    /// True for the asker whose answers count.
    fn has(&self, asker: &Rc<Asker>) -> bool {
        let now = self.asker.borrow();
        now.as_ref().is_some_and(|now| Rc::ptr_eq(now, asker))
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
    if spread.has(&asker) {
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
    let mut backend = log_in(asker, shared, identity).await?;
    asker.state.set(State::Ready);
    let mut gate = shared.gate.watch();
    loop {
        let route = &asker.route;
        tokio::select! {
            biased;
            _ = gate.wait_for(|state| !state.is_current(route)) => return Ok(()),
            () = asker.wanted.notified() => {}
        }
        if !spread.has(asker) {
            return Ok(());
        }
        let question = spread.horizon.borrow_mut().ask(route.epoch);
        let asking = one_text(&mut backend.stream, QUESTION, marks_ends);
        let answer = timeout(ANSWER, asking)
            .await
            .map_err(|_| "no answer in time".to_owned())?;
        let answer = answer.map_err(|error| error.to_string())?;
        let answer = answer.map_err(|_| "it refuses the question".to_owned())?;
        let position: Option<Position> = std::str::from_utf8(&answer)
            .ok()
            .and_then(|text| text.parse().ok());
        let position = position.ok_or("its answer is no position")?;
        // Why here: the answer is newer than the question, and so is what it must be held against.
        if route.lease.is_over() || !gate.borrow().is_current(route) {
            return Err("what it says may be out of date".to_owned());
        }
        spread
            .horizon
            .borrow_mut()
            .answer(question, route.epoch, position);
        spread.answered();
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
