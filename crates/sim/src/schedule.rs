//! What is going to happen, in order of time; at the same time, in the order it was scheduled.

use std::collections::BTreeMap;

use crate::clock::Micros;
use crate::event::Event;

/// The queue of events.
#[derive(Default)]
pub(crate) struct Schedule {
    queue: BTreeMap<(Micros, u64), Event>,
    scheduled: u64,
}

impl Schedule {
    pub(crate) fn at(&mut self, when: Micros, event: Event) {
        self.scheduled += 1;
        self.queue.insert((when, self.scheduled), event);
    }

    /// The next event and its time.
    pub(crate) fn next(&mut self) -> Option<(Micros, Event)> {
        let ((when, _), event) = self.queue.pop_first()?;
        Some((when, event))
    }
}
