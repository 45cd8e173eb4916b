//! Seeds that must hold, and planted faults that must be found.
#![expect(clippy::expect_used, reason = "a test that cannot go on says so")]

mod planted;
mod seeds;
