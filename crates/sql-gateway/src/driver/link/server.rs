//! A link's other side: its connection to a server, what comes from there, and what is counted of an answer.

use std::sync::atomic::Ordering;
use std::task::Poll;

use super::{Around, Link};
use crate::driver::connect::Backend;
use crate::driver::scratch;
use crate::driver::spread::Runs;
use crate::reactor::now;
use crate::registry::Entry;
use crate::session::{Given, Phase, Refusal};
use crate::tally::{Closed, Opened, Ticket};

impl Link {
    /// The connection is of no more use: drop it, and let the session decide what that means.
    pub(in crate::driver) fn lose_backend(&mut self, entry: &Entry, why: Closed) {
        if let Some(mut backend) = self.backend.take() {
            self.lost_in = backend.route.epoch;
            backend.closes(why);
        }
        self.waiting_since = None;
        self.to_server.clear();
        entry.set_server(0);
        if entry.is_doomed() {
            self.session.killed();
        } else if why == Closed::Lost {
            self.session.ended_by_server();
        } else {
            self.session.lost();
        }
    }

    /// A fresh connection is there.
    pub(in crate::driver) fn attach(&mut self, mut backend: Backend, entry: &Entry, why: Opened) {
        let here = (&self.shared, self.lane);
        let side = backend.side();
        let ticket = || Ticket::new(here, entry.account(), side, why);
        // One that was another client's is counted already.
        backend.ticket.get_or_insert_with(ticket);
        entry.set_server(backend.thread);
        self.to_server.clear();
        self.session.follow_history(backend.route.behind.clone());
        self.backend = Some(backend);
    }

    pub(in crate::driver) fn account(&mut self, around: &Around<'_>) {
        let entry = around.entry;
        if let Some(toll) = self.session.take_toll() {
            let time = now().saturating_duration_since(self.started);
            let tally = self.shared.tally(entry);
            tally.answered(entry.account(), &toll, time);
        }
        let phase = self.session.phase();
        if phase == Phase::Idle {
            self.waiting_since = None;
        }
        if !matches!(phase, Phase::Flight | Phase::Preparing | Phase::Infile) {
            if self.runs != Runs::Nowhere {
                self.count_out(around.entry);
            }
            if self.defines && !self.session.locks_tables() {
                self.defined();
            }
        } else if matches!(self.runs, Runs::Replica(_)) || entry.manner.reads_only {
            self.strike(around);
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

    pub(super) fn flush_server(&mut self) -> bool {
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

    pub(in crate::driver) fn read_server(&mut self, around: &Around<'_>) -> bool {
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
        let mut take = |chunk: &[u8]| {
            if chunk.is_empty() {
                return Err(Refusal::Broken);
            }
            // Why here: the answer is newer than the question, and so is what it must be held against.
            if session.reads_afresh() && route.lease.is_over() {
                return Err(Refusal::Broken);
            }
            let mut over = session.usual_bytes(chunk);
            let mut rest = chunk;
            while over < rest.len() {
                if over > 0 && !session.awaits_server() {
                    // Why before all of it is looked at: the answer is whole, whatever comes behind it.
                    to_client.send(client, &rest[..over]);
                    (rest, over) = (&rest[over..], 0);
                }
                let Given { used, pass } = session.server_bytes(&rest[over..], killed)?;
                if over + pass > 0 {
                    to_client.send(client, &rest[..over + pass]);
                }
                if !session.to_client.is_empty() {
                    let bytes = std::mem::take(&mut session.to_client);
                    to_client.send(client, &bytes);
                }
                (rest, over) = (&rest[over + used..], 0);
            }
            if over > 0 {
                to_client.send(client, rest);
            }
            Ok(())
        };
        let mut refusal = None;
        let read = scratch::poll_read(stream, |chunk| refusal = take(chunk).err());
        match (read, refusal) {
            (Poll::Pending, _) => return false,
            (Poll::Ready(Ok(())), None) => {}
            (Poll::Ready(Ok(())), Some(Refusal::Tell(fault))) => {
                self.session.fail(&fault);
                self.lose_backend(around.entry, Closed::Lost);
            }
            (Poll::Ready(_), _) if around.entry.manner.reads_only => {
                self.yields(around.entry, Closed::Lost, around.state);
            }
            (Poll::Ready(_), _) => self.lose_backend(around.entry, Closed::Lost),
        }
        true
    }
}
