//! The core with fake time, a fake network and fake servers. One seed fixes everything: which cluster, which
//! faults, how long each thing takes. First faults, and nothing acknowledged may be lost; then none, and
//! everything must heal.
//!
//! ```text
//!   schedule ──▶ world ──▶ turn (the keeper's loop) ──▶ cluster::decide ──▶ hands (actions, in stages)
//!      ▲           │                                                          │
//!      └───────────┴──── fault · client · talk · stream · register ◀──────────┘
//!                                    invariant: after each event; story: for people
//! ```
//!
//! No wall clock, no threads, no order of a hash. Start with `run.rs`, then `world.rs` and `turn.rs`. What is
//! simulated and what is not: `docs/reference/simulator.md`.

mod agent;
mod client;
mod clock;
mod dice;
mod event;
mod fault;
mod hands;
mod heal;
mod invariant;
mod letter;
mod look;
mod mutation;
mod network;
mod node;
mod operator;
mod register;
mod run;
mod schedule;
mod server;
mod story;
mod stream;
mod talk;
mod tally;
mod temper;
mod turn;
mod world;

pub use fault::Kind;
pub use mutation::{MUTATIONS, Mutation};
pub use run::{Verdict, run};
pub use tally::Tally;
