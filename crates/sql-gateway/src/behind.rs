//! How far the history of an epoch is known to reach: what is sent now commits behind that, if at all. It bounds the
//! look for a write that was in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A sequence number of domain 0 that the primary of one epoch has written. It only grows. Clones share it.
///
/// It never tells routes apart.
#[derive(Clone, Debug, Default)]
pub struct Behind(Arc<AtomicU64>);

impl PartialEq for Behind {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Behind {}

impl Behind {
    /// An epoch that began behind this sequence number.
    pub fn from(sequence: u64) -> Self {
        Self(Arc::new(AtomicU64::new(sequence)))
    }

    /// The primary has answered for this one.
    pub fn advance(&self, sequence: u64) {
        self.0.fetch_max(sequence, Ordering::AcqRel);
    }

    /// What it has reached.
    pub fn sequence(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}
