//! Tests of the core as a whole: stories, plans that are interrupted, random walks, and tables of
//! single decisions. All of them drive `decide` and `Memory::performed` exactly as the keeper does.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test that cannot go on says so"
)]

mod database;
mod interrupted;
mod invariant;
mod node;
mod perform;
mod replication;
mod round;
mod scenario;
mod table;
mod walk;
mod world;
