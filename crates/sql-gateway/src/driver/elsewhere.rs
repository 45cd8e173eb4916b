//! The second connection of a session, to a replica, and the reads that are sent there. How it is come by: `beside.rs`.

use std::rc::Rc;
use std::task::Context;

use super::asker;
use super::beside::Coming;
use super::connect::Backend;
use super::link::{Around, Link};
use super::outbox::Outbox;
use super::spread::Runs;
use crate::fault::Fault;
use crate::freshness::{Freshness, Need, Ticket};
use crate::reactor::now;
use crate::session::Place;

/// A session's connection to a replica.
pub(super) struct Replica {
    pub(super) backend: Backend,
    pub(super) outbox: Outbox,
    /// Its place in the thread's list.
    pub(super) place: usize,
    /// The question whose answer the last read waited for.
    pub(super) waited_for: u64,
}

/// Where that connection is.
#[derive(Default)]
pub(super) enum There {
    /// There is none.
    #[default]
    Nowhere,
    /// It is being made; with the default database it was asked for.
    Coming(Rc<Coming>),
    /// Here.
    Here(Box<Replica>),
}

/// What a read waits for.
#[derive(Clone, Copy)]
enum Waits {
    /// A connection to a replica.
    Connection,
    /// The primary's word.
    Word {
        ticket: Ticket,
        /// How many questions had failed before.
        failures: u32,
        /// The answer that had come before: its task is woken with the next one.
        after: u64,
    },
    /// It goes to the primary, and a KILL is on its way there, whose target it is: nobody knows yet whether that is allowed.
    Kill,
}

/// What a session needs for its reads on replicas.
pub(super) struct Elsewhere {
    pub(super) freshness: Freshness,
    pub(super) there: There,
    /// What a read waits for.
    waits: Option<Waits>,
    /// Reads that would have gone to a replica, had there been a connection.
    pub(super) missed: u8,
}

impl Elsewhere {
    pub(super) fn new(freshness: Freshness) -> Self {
        Self {
            freshness,
            there: There::Nowhere,
            waits: None,
            missed: 0,
        }
    }

    /// True while a read waits.
    #[inline]
    pub(super) fn waits(&self) -> bool {
        self.waits.is_some()
    }

    /// True when no bytes wait to be written to a replica.
    #[inline]
    pub(super) fn is_dry(&self) -> bool {
        match &self.there {
            There::Here(replica) => replica.outbox.is_empty(),
            There::Nowhere | There::Coming(_) => true,
        }
    }

    /// True when a replica may have said something.
    #[inline]
    pub(super) fn has_answer(&self) -> bool {
        match &self.there {
            There::Here(replica) => replica.backend.stream.is_readable(),
            There::Nowhere | There::Coming(_) => false,
        }
    }
}

/// What became of a statement that may run on a replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// It was sent there.
    There,
    /// It waits for the primary's word how far it is.
    Waits,
    /// It goes to the primary.
    Here,
    /// Nowhere: somebody killed it while it waited, and it is answered.
    Killed,
}

impl Link {
    /// The session knows what names mean, as far as anybody does.
    pub(super) fn learn_names(&mut self) {
        if self.elsewhere.is_some() {
            let lexicon = &self.shared.lexicon;
            let version = lexicon.version();
            if self.session.names_version() != version {
                self.session.know(version, lexicon.catalog());
            }
        }
    }

    /// Sends the statement to a replica, if that is right and of use.
    pub(super) fn send_elsewhere(&mut self, cx: &mut Context<'_>, around: &Around<'_>) -> Went {
        let Some(elsewhere) = &self.elsewhere else {
            return Went::Here;
        };
        // Why first: most often that is all.
        let is_idle = self
            .spread
            .is_idle(&around.state.route, &self.shared.config);
        if is_idle && !elsewhere.waits() && !self.session.looks_back() {
            return Went::Here;
        }
        let went = self.go_elsewhere(cx, around);
        if went != Went::There && self.elsewhere.as_deref().is_some_and(Elsewhere::waits) {
            return self.look_for_kill(went, around);
        }
        went
    }

    /// The statement waits, or has waited and goes to the primary: unless somebody kills it.
    fn look_for_kill(&mut self, went: Went, around: &Around<'_>) -> Went {
        let entry = around.entry;
        let Some(elsewhere) = &mut self.elsewhere else {
            return went;
        };
        let is_struck = entry.is_struck();
        // Why: on the primary the KILL would find nothing to end, if it comes there before the statement.
        if went == Went::Here && entry.is_being_killed() && !is_struck {
            elsewhere.waits = Some(Waits::Kill);
            return Went::Waits;
        }
        if (is_struck || went == Went::Here) && self.wait_no_more(around) {
            return Went::Killed;
        }
        went
    }

    fn go_elsewhere(&mut self, cx: &mut Context<'_>, around: &Around<'_>) -> Went {
        self.learn_names();
        let place = self.session.place(&self.spread.surprises.borrow());
        match place {
            Place::Primary(_) => Went::Here,
            Place::Replica => self.launch_there(None, around),
            Place::Ask => self.ask_there(around),
            Place::Either => self.choose(cx, around),
        }
    }

    fn choose(&mut self, cx: &mut Context<'_>, around: &Around<'_>) -> Went {
        self.spread.refresh(&around.state.route);
        self.arrive(cx, around);
        let config = &self.shared.config;
        let Some(elsewhere) = &mut self.elsewhere else {
            return Went::Here;
        };
        let place = match &elsewhere.there {
            There::Here(replica) => replica.place,
            There::Coming(coming) if config.prefer_replicas => {
                coming.waiting.replace(Some(cx.waker().clone()));
                return self.wait_for_connection(cx, around);
            }
            There::Coming(_) => return Went::Here,
            There::Nowhere => {
                let Some(place) = self.spread.choose(config) else {
                    return Went::Here;
                };
                let prefers = config.prefer_replicas;
                elsewhere.missed = elsewhere.missed.saturating_add(1);
                // Why not at the first: clients that make a connection for each query would make two.
                let is_due = elsewhere.missed > 1 || prefers;
                if !self.take_parked(place, around) {
                    if is_due {
                        self.come(place, cx, around);
                    }
                    return if prefers {
                        self.wait_for_connection(cx, around)
                    } else {
                        Went::Here
                    };
                }
                // By this it hears of a KILL, as by `arrive`.
                around.entry.set_waker(cx.waker());
                place
            }
        };
        let config = &self.shared.config;
        let Some(elsewhere) = &mut self.elsewhere else {
            return Went::Here;
        };
        if self.session.replica_is_busy() {
            return Went::Here;
        }
        let ticket = match elsewhere.waits {
            Some(Waits::Word {
                ticket, failures, ..
            }) if failures == self.spread.failures() => ticket,
            Some(Waits::Word { .. } | Waits::Kill) => return Went::Here,
            _ if !self.spread.prefers(place, config) => return Went::Here,
            _ => self.spread.horizon.borrow().ticket(),
        };
        let need = self.spread.need(
            (
                elsewhere.freshness.of(self.session.knows_its_writes()),
                ticket,
            ),
            self.session.wrote(),
            place,
            config.wait_max,
        );
        match need {
            Need::Nothing => self.launch_there(None, around),
            Need::Wait(sql) => self.launch_there(Some(&sql), around),
            Need::Primary => Went::Here,
            Need::Answer => self.wait_for_answer(ticket, cx, around),
        }
    }

    fn wait_for_answer(
        &mut self,
        ticket: Ticket,
        cx: &mut Context<'_>,
        around: &Around<'_>,
    ) -> Went {
        let Some(elsewhere) = &mut self.elsewhere else {
            return Went::Here;
        };
        if self.spread.horizon.borrow().must_ask(ticket) {
            let identity = || asker::Identity {
                login: around.login.clone(),
                credential: around.credential.clone(),
                peer: around.entry.peer(),
            };
            let route = &around.state.route;
            if !self.spread.ask(&self.shared, route, identity) {
                return Went::Here;
            }
        }
        let after = self.spread.horizon.borrow().answered();
        let before = elsewhere.waits.replace(Waits::Word {
            ticket,
            failures: self.spread.failures(),
            after,
        });
        if before.is_none() {
            around.entry.waits_elsewhere();
        }
        let is_known = matches!(before, Some(Waits::Word { after: known, .. }) if known == after);
        if !is_known {
            self.spread.wait(cx.waker());
        }
        Went::Waits
    }

    #[cold]
    fn wait_for_connection(&mut self, cx: &Context<'_>, around: &Around<'_>) -> Went {
        if let Some(elsewhere) = &mut self.elsewhere
            && elsewhere.waits.replace(Waits::Connection).is_none()
        {
            around.entry.set_waker(cx.waker());
            around.entry.waits_elsewhere();
        }
        Went::Waits
    }

    /// The statement waits for nothing any more. True: it was killed meanwhile, and is answered.
    pub(super) fn wait_no_more(&mut self, around: &Around<'_>) -> bool {
        let waits = match &mut self.elsewhere {
            Some(elsewhere) => elsewhere.waits.take().is_some(),
            None => false,
        };
        waits && self.was_killed(around)
    }

    #[cold]
    fn was_killed(&mut self, around: &Around<'_>) -> bool {
        let is_struck = around.entry.waits_no_more();
        if is_struck {
            self.session.fail(&Fault::Interrupted);
        }
        is_struck
    }

    /// Its statement is counted there.
    pub(super) fn runs_at(&mut self, runs: Runs) {
        self.spread.begins(runs);
        self.runs = runs;
    }

    fn launch_there(&mut self, wait: Option<&str>, around: &Around<'_>) -> Went {
        let answered = self.spread.horizon.borrow().answered();
        let Some(There::Here(replica)) = self.elsewhere.as_deref_mut().map(|it| &mut it.there)
        else {
            return Went::Here;
        };
        let Some(bytes) = self.session.launch_elsewhere(wait) else {
            return Went::Here;
        };
        if !bytes.is_empty() {
            replica.outbox.send(&mut replica.backend.stream, bytes);
        }
        replica.waited_for = if wait.is_some() { answered } else { 0 };
        let (thread, place) = (replica.backend.thread, replica.place);
        if self
            .elsewhere
            .as_deref_mut()
            .is_some_and(|it| it.waits.take().is_some())
        {
            around.entry.goes_elsewhere(thread);
        } else {
            around.entry.set_elsewhere(thread);
        }
        let runs = Runs::Replica(place);
        self.runs_at(runs);
        self.started = now();
        self.shared.lanes[self.lane].count_read();
        if self.session.has_more_for_replica() {
            self.flush_replica();
        }
        Went::There
    }

    /// The statement asks about what ran there, and must run on the primary.
    #[cold]
    fn ask_there(&mut self, around: &Around<'_>) -> Went {
        let Some(There::Here(replica)) = self.elsewhere.as_deref_mut().map(|it| &mut it.there)
        else {
            return Went::Here;
        };
        if !self.session.ask_elsewhere() {
            return Went::Here;
        }
        replica.waited_for = 0;
        around.entry.set_elsewhere(replica.backend.thread);
        let runs = Runs::Replica(replica.place);
        self.runs_at(runs);
        self.flush_replica();
        Went::There
    }

    /// Writes what waits for the replica.
    pub(super) fn flush_replica(&mut self) {
        if let Some(There::Here(replica)) = self.elsewhere.as_deref_mut().map(|it| &mut it.there) {
            let bytes = self.session.take_to_replica();
            if !bytes.is_empty() {
                replica.outbox.send(&mut replica.backend.stream, &bytes);
            }
            // Why: after a failed write reading finds the end.
            if !replica.outbox.is_empty() {
                let _ = replica.outbox.poll_flush(&mut replica.backend.stream);
            }
        }
    }
}
