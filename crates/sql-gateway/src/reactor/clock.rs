//! The time at which the loop last woke: right for sums of many short times, and for each long one.
//!
//! Why not the kernel's coarse clock, which costs less: the library that reads it without libc faults under valgrind (3.19), by which
//! instructions are counted.

use std::cell::Cell;
use std::time::Instant;

thread_local! {
    static BEGINNING: Instant = Instant::now();
    static NOW: Cell<u64> = const { Cell::new(0) };
}

/// The loop wakes.
pub(super) fn wake() {
    let since = BEGINNING.with(Instant::elapsed);
    NOW.set(u64::try_from(since.as_micros()).unwrap_or(u64::MAX));
}

/// Microseconds since some beginning.
pub(crate) fn micros() -> u64 {
    NOW.get()
}
