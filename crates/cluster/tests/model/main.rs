//! The model check: every interleaving, within bounds, of what can happen to a small cluster whose
//! nodes decide by the core itself (`decide`, `Memory::performed`, `View::report`). The invariants of
//! `docs/reference/protocol.md` are asked in every state, and each mutation must break one.
//! What was explored, with figures, is in `docs/reference/model.md`.
#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test that cannot go on says so, and figures are printed"
)]

mod agreement;
mod asked;
mod bounds;
mod canon;
mod dice;
mod exhaustive;
mod eyes;
mod flow;
mod hands;
mod heard;
mod intern;
mod invariant;
mod model;
mod mutation;
mod mutations;
mod rename;
mod search;
mod seen;
mod start;
mod state;
mod sweep;
mod tables;
mod told;
mod walks;
