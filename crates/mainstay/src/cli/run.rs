//! `mainstay run`: the agent, in the foreground.

use clap::Args;

use super::Context;
use crate::agent;
use crate::output::{Exit, Failure, Result};

/// Run this node's agent in the foreground
///
/// What the systemd unit starts. SIGTERM and Ctrl-C end the agent and its gateway gracefully; MariaDB
/// goes on without it. `RUST_LOG` chooses what is logged.
#[derive(Args, Debug)]
pub(super) struct Run {}

/// Few, for memory: the agent waits more than it works.
const WORKERS: usize = 2;
/// For files and name look-ups.
const BLOCKING: usize = 8;

impl Run {
    #[expect(clippy::unused_self, reason = "every verb is run the same way")]
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        agent::start_log(context.verbose, context.colour);
        let config = context.config()?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING)
            .enable_all()
            .build()
            .map_err(Failure::doing("start"))?;
        let ended = runtime.block_on(agent::run(config));
        // Why: a blocking task on a hung disk must not keep the process from ending.
        runtime.shutdown_background();
        ended.map(|()| Exit::Done)
    }
}
