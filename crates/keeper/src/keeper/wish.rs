//! The operator's wishes, one at a time, from the request to its end; and what is done once this
//! node's server is open.

use std::time::Duration;

use cluster::Wish;

use super::Keeper;
use crate::request::{Pending, Request};

const EVENTS_LIMIT: Duration = Duration::from_secs(10);
/// A handover has ended when the new primary serves; nobody waits longer for it.
const OPEN_LIMIT: u64 = 15_000;

impl Keeper {
    pub(super) fn opened(&mut self) {
        let epoch = self
            .view
            .document
            .as_ref()
            .map_or(0, |document| document.epoch);
        let pause = self.view.now.saturating_sub(self.last_serving);
        self.extras.pause = Some((epoch, pause));
        if let Some(pending) = self.pending.take_if(|pending| pending.handed_to.is_none()) {
            match self.view.wish.take() {
                // Undone: the wish goes on to its end.
                Some(wish) => {
                    self.view.wish = Some(wish);
                    self.pending = Some(pending);
                }
                None => drop(pending.reply.send(Ok((epoch, pause)))),
            }
        }
        let Some(server) = self.actor.server.clone() else {
            return;
        };
        let except = std::mem::take(&mut self.disabled_events);
        let mut picture = self.picture.subscribe();
        tokio::spawn(async move {
            if let Err(error) = server.ensure_pulse(EVENTS_LIMIT).await {
                tracing::warn!(%error, "the table for pulses was not made");
            }
            // Why: its commit may have waited; events on a node that is primary no more would pass `read_only`.
            let serves = picture.wait_for(|picture| picture.view.serving() == Some(epoch));
            if !matches!(tokio::time::timeout(EVENTS_LIMIT, serves).await, Ok(Ok(_))) {
                return;
            }
            if let Err(error) = server.enable_events(&except, EVENTS_LIMIT).await {
                tracing::warn!(%error, "scheduled events were not enabled");
            }
        });
    }

    /// One change at a time: whoever asks for another meanwhile is told so.
    pub(super) fn take_requests(&mut self) {
        while let Ok(request) = self.requests.try_recv() {
            self.accept(request);
        }
    }

    pub(super) fn accept(&mut self, request: Request) {
        self.settle_wish();
        if self.pending.is_some() {
            let _ = request
                .reply
                .send(Err("another change of primary is under way".into()));
            return;
        }
        let Request { mut wish, reply } = request;
        // Why: the time it waited in the queue is not the primary's fault.
        match &mut wish {
            Wish::Switchover { asked, .. } | Wish::Failover { asked, .. } => *asked = self.view.now,
        }
        self.view.wish = Some(wish);
        self.pending = Some(Pending {
            reply,
            handed_to: None,
        });
    }

    pub(super) fn end_wish(&mut self, refused: Option<String>) {
        self.view.wish = None;
        let Some(mut pending) = self.pending.take() else {
            return;
        };
        if let Some(why) = refused {
            let _ = pending.reply.send(Err(why));
            return;
        }
        pending.handed_to = self.view.document.as_ref().map(|d| d.primary.clone());
        self.pending = Some(pending);
    }

    /// A handover is over once the new primary serves; a wish whose asker has gone ends with it.
    pub(super) fn settle_wish(&mut self) {
        if self
            .pending
            .take_if(|pending| pending.reply.is_closed())
            .is_some()
        {
            // Why not what is under way: it ends by itself, done or undone.
            self.view
                .wish
                .take_if(|_| self.view.memory.handover.is_none());
        }
        let Some(to) = self
            .pending
            .as_ref()
            .and_then(|pending| pending.handed_to.clone())
        else {
            return;
        };
        let epoch = self
            .view
            .document
            .as_ref()
            .map_or(0, |document| document.epoch);
        let held_since = self.held_since.unwrap_or(self.view.now);
        let pause = self.view.now.saturating_sub(held_since);
        let serves = self
            .view
            .fresh(&to)
            .is_some_and(|report| report.serving == Some(epoch));
        let ending = if serves {
            // Why this node's figure: it has held the gateways from the first moment.
            self.extras.pause = Some((epoch, pause));
            Ok((epoch, pause))
        } else if pause > OPEN_LIMIT {
            Err(format!(
                "{to} is primary by the ledger and has not opened yet; see `mainstay why {to}`"
            ))
        } else {
            return;
        };
        if let Some(pending) = self.pending.take() {
            let _ = pending.reply.send(ending);
        }
    }
}
