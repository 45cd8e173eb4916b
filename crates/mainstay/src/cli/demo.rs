//! `mainstay demo`: a whole cluster on this machine, under load, with a fault every few seconds.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::{Context, small_runtime};
use crate::demo::{self, Script};
use crate::output::{Exit, Result};

/// Show a whole cluster on this machine, under load, and break it again and again
///
/// Starts real MariaDB servers with their agents and gateways on loopback addresses, and a witness. A
/// small load writes and reads through every gateway while the primary is killed. At the end every
/// server's data are held against what the clients were told: exit code 1 if anything acknowledged
/// was lost. Everything is ended and removed afterwards, also by Ctrl-C.
#[derive(Args, Debug)]
pub(super) struct Demo {
    /// Where everything is kept; without it a temporary directory that is removed at the end
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// How many servers with data; a witness comes on top
    #[arg(long, value_name = "2|3", default_value = "2", value_parser = RangedU64ValueParser::<u8>::new().range(2..=3))]
    nodes: u8,
    /// How long the load runs
    #[arg(long, value_name = "N", default_value = "60", value_parser = RangedU64ValueParser::<u32>::new().range(1..=86_400))]
    seconds: u32,
    /// Seconds between two faults; 0: none. The next one comes no sooner than 11 s after the last one has
    /// healed, so that the failover budget is never spent
    #[arg(long, value_name = "N", default_value = "10")]
    kill_primary_every: u32,
}

impl Demo {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        let script = Script {
            dir: self.dir,
            nodes: usize::from(self.nodes),
            length: Duration::from_secs(u64::from(self.seconds)),
            between_faults: Duration::from_secs(u64::from(self.kill_primary_every)),
        };
        small_runtime()?.block_on(demo::run(context.output, script))
    }
}
