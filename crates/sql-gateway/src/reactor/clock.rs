//! The time at which the loop last woke: right for sums of many short times, and for each long one.
//!
//! Why not the kernel's coarse clock, which costs less: the library that reads it without libc faults under valgrind (3.19), by which
//! instructions are counted.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    static NOW: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// The loop wakes.
#[inline]
pub(super) fn wake() {
    NOW.set(Some(Instant::now()));
}

/// When the loop last woke.
#[inline]
pub(crate) fn now() -> Instant {
    NOW.get().unwrap_or_else(Instant::now)
}
