//! The time at which the loop last woke, off a clock that no system call is made for, wherever the server runs. It moves in
//! steps of a few milliseconds: right for sums of many short times, and for each long one.

use std::cell::Cell;

use rustix::time::{ClockId, clock_gettime};

thread_local! {
    static NOW: Cell<u64> = const { Cell::new(0) };
}

/// The loop wakes.
pub(super) fn wake() {
    let now = clock_gettime(ClockId::MonotonicCoarse);
    let (seconds, nanos) = (now.tv_sec.cast_unsigned(), now.tv_nsec.cast_unsigned());
    NOW.set(seconds * 1_000_000 + nanos / 1000);
}

/// Microseconds since some beginning.
pub(crate) fn micros() -> u64 {
    NOW.get()
}
