//! Until when a route may be believed for reads. A gateway that was frozen, with its whole machine perhaps,
//! wakes with a route that says what was true when it fell asleep: nobody is there to tell it anything newer
//! before its clients' next statements are read.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// Something to count from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// A time that whoever announces a route puts off again and again. Clones share it.
///
/// Leases never tell routes apart: renewing one changes no route.
#[derive(Clone, Debug)]
pub struct Lease(Arc<AtomicU64>);

impl Default for Lease {
    /// Without an end.
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }
}

impl PartialEq for Lease {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Lease {}

impl Lease {
    /// From now on it lasts until then; `None`: without an end.
    pub fn renew(&self, until: Option<Instant>) {
        let end = until.map_or(u64::MAX, micros);
        self.0.store(end, Ordering::SeqCst);
    }

    /// It has ended: what a server says now may be out of date.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        let end = self.0.load(Ordering::SeqCst);
        end != u64::MAX && at(end).is_some_and(|end| Instant::now() >= end)
    }
}

thread_local! {
    /// An end, and when that is.
    static KNOWN: Cell<(u64, Option<Instant>)> = const { Cell::new((u64::MAX, None)) };
}

/// When so many microseconds have passed since the beginning; `None`: never. Why remembered: each read asks twice, and an end
/// is put off a few times a second; to work it out costs more than to read the clock.
#[inline]
fn at(micros: u64) -> Option<Instant> {
    let (known, at) = KNOWN.get();
    if known == micros {
        return at;
    }
    let at = START.checked_add(Duration::from_micros(micros));
    KNOWN.set((micros, at));
    at
}

fn micros(at: Instant) -> u64 {
    let since = at.saturating_duration_since(*START);
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_when_it_is_not_put_off_is_over() {
        let lease = Lease::default();
        assert!(!lease.is_over());
        let now = Instant::now();
        lease.renew(Some(now));
        assert!(lease.is_over() && lease.clone().is_over());
        lease.clone().renew(Some(now + Duration::from_mins(1)));
        assert!(!lease.is_over());
        let other = Lease::default();
        for _ in 0..2 {
            other.renew(Some(now));
            assert!(other.is_over() && !lease.is_over());
        }
        lease.renew(None);
        assert!(!lease.is_over());
    }
}
