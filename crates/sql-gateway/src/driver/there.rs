//! What a replica answers to a session's reads; how one of them is killed, and what is learned when it has ended.

use std::sync::Arc;
use std::task::Poll;

use super::connect::{Account, Attempt, connect_to, restore};
use super::elsewhere::There;
use super::link::{Around, Link};
use super::scratch;
use super::spread::Runs;
use crate::reactor::{spawn, timeout};
use crate::registry::Entry;
use crate::session::{Given, Phase, Refusal, query_packet};
use crate::tally::Closed;

impl Link {
    /// Reads what a replica has answered.
    pub(super) fn read_replica(&mut self) -> bool {
        let Self {
            client,
            session,
            to_client,
            elsewhere,
            ..
        } = self;
        let Some(There::Here(replica)) = elsewhere.as_deref_mut().map(|it| &mut it.there) else {
            return false;
        };
        let stream = &mut replica.backend.stream;
        if !stream.is_readable() {
            return false;
        }
        let read = scratch::poll_read(stream, |chunk| {
            if chunk.is_empty() {
                return Err(Refusal::Broken);
            }
            let mut rest = chunk;
            while !rest.is_empty() {
                let Given { used, pass } = session.replica_bytes(rest, false)?;
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
        let place = replica.place;
        match read {
            Poll::Pending => return false,
            Poll::Ready(Ok(Ok(()))) => {
                if self.session.take_late() {
                    self.spread.late(place, self.session.wrote());
                }
                if let Some(digest) = self.session.take_surprise() {
                    self.spread.surprises.borrow_mut().add(digest);
                }
                if self.session.replica_is_unfit() {
                    self.lose_replica(Closed::Unclean);
                }
            }
            Poll::Ready(Ok(Err(Refusal::Tell(fault)))) => {
                self.session.fail(&fault);
                self.lose_replica(Closed::Lost);
            }
            Poll::Ready(Ok(Err(Refusal::Broken)) | Err(_)) => {
                self.lose_replica(Closed::Lost);
            }
        }
        true
    }

    /// Somebody has killed the read that runs on the replica: it is ended there by its own account. Its answer comes
    /// as that of any other read.
    pub(super) fn strike(&mut self, around: &Around<'_>) {
        let Some(thread) = around.entry.take_strike() else {
            return;
        };
        let there = match self.elsewhere.as_deref().map(|it| &it.there) {
            Some(There::Here(replica)) => self.spread.node(replica.place),
            _ => self.reads_at(around.state),
        };
        let Some(node) = there else {
            return;
        };
        let whole = around.entry.is_doomed();
        let login = Box::new(around.login.clone());
        let (credential, peer) = (around.credential.clone(), around.entry.peer());
        let (shared, route) = (Arc::clone(&self.shared), Arc::clone(&around.state.route));
        spawn(async move {
            let account = Account {
                login: &login,
                database: b"",
                credential: Some(credential),
                peer,
            };
            let query = if whole { "" } else { "QUERY " };
            let kill = format!("KILL {query}{thread}");
            let killing = async {
                let made = connect_to(&shared, (&route, &node), account, None).await;
                if let Attempt::Connected(mut backend, _, _) = made {
                    let _ = restore(&mut backend.stream, &[query_packet(kill.as_bytes())]).await;
                }
            };
            // Who cannot be reached runs it to its end: nobody waits for that.
            let _ = timeout(shared.config.connect_timeout, killing).await;
        });
    }

    /// The statement that was counted is over.
    pub(super) fn count_out(&mut self, entry: &Entry) {
        let runs = std::mem::take(&mut self.runs);
        self.spread.ended(runs);
        if matches!(runs, Runs::Replica(_)) || entry.manner.reads_only {
            entry.set_elsewhere(0);
        }
        if let (Runs::Replica(place), Some(elsewhere)) = (runs, &self.elsewhere)
            && let There::Here(replica) = &elsewhere.there
            && replica.waited_for != 0
            && self.session.phase() == Phase::Idle
            && self.session.was_elsewhere()
        {
            self.spread.reached(place, replica.waited_for);
        }
    }
}
