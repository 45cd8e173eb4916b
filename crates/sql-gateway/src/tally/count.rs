//! A number that one thread writes and any thread reads: no locked instruction on the way of a query.

use std::sync::atomic::{AtomicU64, Ordering};

/// A counter of one thread.
#[derive(Debug, Default)]
pub(super) struct Count(AtomicU64);

impl Count {
    /// Adds. Only the thread that owns it may call this, or a sum is lost.
    pub(super) fn add(&self, more: u64) {
        let sum = self.0.load(Ordering::Relaxed).wrapping_add(more);
        self.0.store(sum, Ordering::Relaxed);
    }

    /// Adds, from any thread, if no thread calls [`Self::add`].
    pub(super) fn add_shared(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// Takes back what was added by [`Self::add_shared`].
    pub(super) fn take_shared(&self, less: u64) {
        self.0.fetch_sub(less, Ordering::Relaxed);
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
