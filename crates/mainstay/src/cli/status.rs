//! `mainstay status`: the cluster as this node sees it.

use std::io::{self, IsTerminal};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::Args;

use super::{Context, small_runtime};
use crate::control::{self, Request};
use crate::output::{Exit, Failure, Result};
use crate::status::{Status as Document, lines};

/// Show the cluster as this node sees it
///
/// Exit code 0: protected against the loss of any one server; 3: serving, but not protected; 4: no
/// primary; 1: there is no agent to be asked.
#[derive(Args, Debug)]
pub(super) struct Status {
    /// Repeat it every second until Ctrl-C
    #[arg(long)]
    watch: bool,
}

/// The contract promises an answer within two seconds; the agent has it in memory.
const LIMIT: Duration = Duration::from_millis(1_800);

impl Status {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        if self.watch {
            return watch(context);
        }
        let status: Document = context.ask(&Request::Status, LIMIT)?;
        print(context, &status)?;
        Ok(status.exit())
    }
}

fn print(context: &Context, status: &Document) -> Result {
    if context.output.json {
        return context.output.json(status);
    }
    let lines = lines(status, wall_seconds(), context.output.is_data_coloured);
    context.output.data(&lines.join("\n"))
}

/// Shows it again and again; a missing agent is shown too, and waited for.
fn watch(context: &Context) -> Result<Exit> {
    let socket = context.config()?.control_socket();
    let is_screen = io::stdout().is_terminal() && !context.output.json;
    small_runtime()?.block_on(async {
        let mut last = Exit::Failed;
        let mut turns = tokio::time::interval(control::watch_interval());
        loop {
            tokio::select! {
                ended = tokio::signal::ctrl_c() => {
                    ended.map_err(Failure::doing("wait for Ctrl-C"))?;
                    return Ok(last);
                }
                _ = turns.tick() => {}
            }
            let asked = control::ask::<Document>(&socket, &Request::Status, LIMIT).await;
            if is_screen {
                // Home, and clear to the end: no flicker, nothing left of a longer table.
                context.output.data("\x1b[H\x1b[2J")?;
            }
            match asked {
                Ok(status) => {
                    print(context, &status)?;
                    last = status.exit();
                }
                Err(failure) => {
                    context.output.failure(&failure);
                    last = failure.exit;
                }
            }
        }
    })
}

/// The wall clock, for relative times.
pub(super) fn wall_seconds() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs())
}
