//! Counts the bytes of one direction and remembers when the last of them passed.

use std::io;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::pipe::Tap;

/// A base for instants in an atomic number.
fn base() -> Instant {
    static BASE: OnceLock<Instant> = OnceLock::new();
    *BASE.get_or_init(Instant::now)
}

#[derive(Debug, Default)]
pub(super) struct Meter {
    bytes: AtomicU64,
    /// Microseconds since the base, plus one; zero: never.
    last: AtomicU64,
}

impl Meter {
    pub(super) fn add(&self, bytes: usize) {
        let since = base().elapsed().as_micros() as u64;
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.last.store(since + 1, Ordering::Relaxed);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    pub(super) fn last(&self) -> Option<Instant> {
        let since = self.last.load(Ordering::Relaxed).checked_sub(1)?;
        Some(base() + Duration::from_micros(since))
    }
}

impl Tap for Arc<Meter> {
    fn pass(&mut self, chunk: &[u8]) -> io::Result<()> {
        self.add(chunk.len());
        Ok(())
    }
}
