//! `mainstay run`: the agent, in the foreground.

use clap::Args;

use super::Context;
use crate::agent::{self, BLOCKING_THREADS, Seat, Step};
use crate::output::{Exit, Failure, Result};

/// Run this node's agent in the foreground
///
/// What the systemd unit starts. SIGTERM and Ctrl-C end the agent and its gateway gracefully; MariaDB
/// goes on without it. SIGHUP reads the configuration again, as `mainstay reload` does. `RUST_LOG` chooses what is logged.
#[derive(Args, Debug)]
pub(super) struct Run {
    /// Take over from the running agent, which starts this
    #[arg(long, hide = true, value_enum)]
    take_over: Option<Step>,
}

/// Few, for memory: the agent waits more than it works.
const WORKERS: usize = 2;

impl Run {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        if self.take_over == Some(Step::Launch) {
            return agent::launch().map(|()| Exit::Done);
        }
        agent::start_log(context.verbose, context.colour);
        let seat = self.take_over.map(|_| Seat::take()).transpose()?;
        let config = match (context.config(), &seat) {
            (Err(failure), Some(seat)) => {
                seat.failed(&failure);
                return Err(failure);
            }
            (config, _) => config?,
        };
        // Before there are other threads: they begin with it.
        let goes_first = mariadb::go_first();
        tracing::debug!(goes_first, "priority for the processor");
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .max_blocking_threads(BLOCKING_THREADS)
            .enable_all()
            .build()
            .map_err(Failure::doing("start"))?;
        let ended = runtime.block_on(agent::run(config, &context.config_path, seat));
        // Why: a blocking task on a hung disk must not keep the process from ending.
        runtime.shutdown_background();
        ended.map(|()| Exit::Done)
    }
}
