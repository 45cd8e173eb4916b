//! Clients that have connected and not yet said who they are. When there are too many, the one that has
//! stood there longest is sent away: a flood sends itself away, and a real client, which needs only
//! milliseconds, gets in.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// The doorstep of one gateway.
pub(crate) struct Doorstep {
    limit: AtomicUsize,
    standing: Mutex<Standing>,
}

#[derive(Default)]
struct Standing {
    next: u64,
    /// By order of arrival.
    clients: BTreeMap<u64, oneshot::Sender<()>>,
}

/// A client's place; given up when dropped.
pub(crate) struct Step {
    doorstep: Arc<Doorstep>,
    number: u64,
    sent_away: oneshot::Receiver<()>,
}

impl Doorstep {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            limit: AtomicUsize::new(limit.max(1)),
            standing: Mutex::default(),
        })
    }

    /// So many from now on; those beyond it stay until their time is up.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit.max(1), Ordering::Relaxed);
    }

    /// Takes a place, sending another away if there are too many.
    pub(crate) fn enter(self: &Arc<Self>) -> Step {
        let (end, sent_away) = oneshot::channel();
        let mut standing = self.standing();
        if standing.clients.len() >= self.limit.load(Ordering::Relaxed)
            && let Some((_, oldest)) = standing.clients.pop_first()
        {
            let _ = oldest.send(());
        }
        let number = standing.next;
        standing.next += 1;
        standing.clients.insert(number, end);
        Step {
            doorstep: Arc::clone(self),
            number,
            sent_away,
        }
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Step {
    /// Resolves when the place is needed for another.
    pub(crate) async fn sent_away(&mut self) {
        let _ = (&mut self.sent_away).await;
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        self.doorstep.standing().clients.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn clients_when_too_many_then_the_oldest_that_still_stands_there_goes() {
        let doorstep = Doorstep::new(2);
        let (mut first, second) = (doorstep.enter(), doorstep.enter());
        drop(second);
        let mut third = doorstep.enter();
        assert!(first.sent_away.try_recv().is_err());
        let _fourth = doorstep.enter();
        first.sent_away().await;
        assert!(third.sent_away.try_recv().is_err());
        assert_eq!(doorstep.standing().clients.len(), 2);
    }
}
