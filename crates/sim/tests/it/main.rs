//! Seeds that must hold, and planted faults that must be found.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so; its figures and its story are for people"
)]

mod planted;
mod seeds;
