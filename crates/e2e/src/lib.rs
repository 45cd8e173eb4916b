//! Stories on real servers (`tests/stories`, one file per story), and here what runs for longer:
//! chaos (random misfortunes for minutes or hours), the failover figures and the gateway's figures.
//! What they are told with (clusters, faults, loads, verdicts) is in crate `trial`.
//!
//! `cargo xtask chaos` and `cargo xtask bench` run the program `proof` made of this.

mod arena;
pub mod bench;
pub mod chaos;
mod dice;
mod stop;
mod summary;
mod table;
mod window;

pub use arena::{Arena, Ground, LIMIT};
pub use stop::Stop;

/// Where progress is told, line by line.
pub type Say<'a> = &'a dyn Fn(&str);
