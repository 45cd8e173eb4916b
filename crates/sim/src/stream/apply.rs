//! The applying threads of a replica: from its relay log to its own log.

use cluster::Applying;

use super::AGAIN;
use crate::clock::MS;
use crate::event::{Event, Id, Life};
use crate::world::World;

impl World {
    /// The applying threads go on soon, if there is anything for them.
    pub(crate) fn apply_soon(&mut self, me: Id) {
        let own = self.server_mut(me);
        if own.is_applying || own.relay.is_empty() || own.applying != Applying::Running {
            return;
        }
        own.is_applying = true;
        let (server, takes) = (own.life, own.applies_in * own.slowness);
        self.schedule
            .at(self.now + takes, Event::Apply { me, server });
    }

    pub(crate) fn apply(&mut self, me: Id, server: Life) {
        let own = self.server_mut(me);
        if own.life != server {
            return;
        }
        own.is_applying = false;
        if own.applying != Applying::Running || own.relay.is_empty() {
            return;
        }
        if !own.writes() {
            own.is_applying = true;
            self.schedule
                .at(self.now + AGAIN, Event::Apply { me, server });
            return;
        }
        if own.poisoned {
            own.applying =
                Applying::Failed("Duplicate entry '7' for key 'PRIMARY' (error 1062)".into());
            self.news(me);
            return;
        }
        // Parallel threads apply all there is at once, unless each transaction takes long.
        let count = if own.applies_in > MS {
            1
        } else {
            own.relay.len()
        };
        let applied: Vec<_> = own.relay.drain(..count).collect();
        own.log.extend(applied);
        own.committed = own.log.len();
        self.apply_soon(me);
    }
}
