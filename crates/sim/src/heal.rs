//! After the last fault: one primary, all in sync, writes acknowledged again, all nodes equal, within a
//! limit. What is not well by then is a broken rule like any other.

use cluster::Mark;

use crate::clock::{MS, Micros, SECOND};
use crate::event::{Event, Id};
use crate::world::World;

/// Everything must have healed by then.
pub(crate) const LIMIT: Micros = 180 * SECOND;
const CHECK_PACE: Micros = 200 * MS;

impl World {
    /// Is everything well again? First with clients that write, then, with none, are all nodes equal?
    pub(crate) fn check_healed(&mut self) {
        if self.broken.is_some() || self.is_over {
            return;
        }
        let ailment = self.ailment();
        match ailment {
            None if self.is_quiet => {
                self.is_over = true;
                self.finish();
                return;
            }
            None => {
                self.tally.healed_in = self.now - self.mended_at;
                self.is_quiet = true;
                self.quiet_at = self.now;
                self.tell("check", || "protected and serving: the clients rest".into());
            }
            Some(ailment) => {
                let since = if self.is_quiet {
                    self.quiet_at
                } else {
                    self.mended_at
                };
                if self.now - since > LIMIT {
                    self.breaks("everything heals", ailment);
                    return;
                }
                self.helps();
            }
        }
        self.schedule.at(self.now + CHECK_PACE, Event::Check);
    }

    fn finish(&mut self) {
        for me in 0..self.data.len() {
            if let Some(lost) = self.first_lost(me) {
                let what = format!("{} lacks the write {} in the end", self.names[me], lost.id);
                self.breaks("nothing acknowledged is lost", what);
            }
            let primary = self.id_of(&self.register.document.primary);
            if self.server(me).log != self.server(primary).log {
                let what = format!("{} and {} differ", self.names[me], self.names[primary]);
                self.breaks("all nodes are equal", what);
            }
        }
    }

    /// What is not yet as it should be.
    fn ailment(&self) -> Option<String> {
        let document = &self.register.document;
        let primary = self.id_of(&document.primary);
        let agent = self.nodes[primary].agent.as_ref()?;
        if agent.view.serving() != Some(document.epoch) {
            let reason = agent.reason.clone();
            return Some(format!("{} does not serve: {reason}", document.primary));
        }
        if document.paused {
            return Some("it is paused".into());
        }
        if !self.register.floating.is_empty() {
            return Some("a swap may still land".into());
        }
        for me in (0..self.data.len()).filter(|me| *me != primary) {
            if let Some(why) = self.ails(me, primary) {
                let reason = self.nodes[me].agent.as_ref().map(|a| a.reason.clone());
                let reason = reason.unwrap_or_default();
                return Some(format!("{} {why}: {reason}", self.names[me]));
            }
        }
        let waits = |client: &&crate::client::Client| client.has_gateway() && client.told == 0;
        let waiting = self.clients.iter().filter(waits).count();
        (waiting > 0).then(|| format!("{waiting} clients have written nothing"))
    }

    fn ails(&self, me: Id, primary: Id) -> Option<&'static str> {
        let (node, document) = (&self.nodes[me], &self.register.document);
        let far = document.members[&self.names[me]].far;
        if !far && !document.vouches(&self.names[me], node.stamp()) {
            return Some("is not in sync");
        }
        if node.mark != Mark::Clean {
            return Some("has an unclean mark");
        }
        let stream = self.stream_of(me);
        if stream.is_none_or(|stream| stream.primary != primary || !stream.primary_up) {
            return Some("is not connected");
        }
        let (own, theirs) = (self.server(me), self.server(primary));
        let differs = own.log.len() != theirs.log.len() || !own.relay.is_empty();
        (self.is_quiet && (differs || theirs.waiting() > 0)).then_some("has not all")
    }
}
