//! The newest record known here, for those who watch: it only moves forward, whether the news came
//! by replication or as the answer to a read or a swap.

use tokio::sync::watch;

use crate::{Record, Swap};

/// The newest record known here.
#[derive(Clone)]
pub(crate) struct Shown(watch::Sender<Option<Record>>);

impl Shown {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Shows `record` unless a newer one is shown.
    pub(crate) fn offer(&self, record: Option<&Record>) {
        let rev = |record: Option<&Record>| record.map(|record| record.rev);
        self.0.send_if_modified(|shown| {
            let is_newer = rev(record) > rev(shown.as_ref());
            if is_newer {
                *shown = record.cloned();
            }
            is_newer
        });
    }

    /// Shows what the answer to a swap of `next` tells.
    pub(crate) fn learn(&self, told: &Swap, next: &Record) {
        match told {
            Swap::Won => self.offer(Some(next)),
            Swap::Lost(current) => self.offer(current.as_ref()),
            Swap::Undecided => {}
        }
    }

    pub(crate) fn current(&self) -> Option<Record> {
        self.0.borrow().clone()
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Option<Record>> {
        self.0.subscribe()
    }
}
