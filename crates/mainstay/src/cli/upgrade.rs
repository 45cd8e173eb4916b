//! `mainstay upgrade`: a process of another program takes over from the running agent.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;

use super::{Context, small_runtime};
use crate::control::{self, Process, Request};
use crate::output::{Exit, Failure, Result};

/// Let a new process be the agent, without refusing a connection
///
/// Run it with the new program, after the package was upgraded: a process of that program is started, reads configuration
/// and papers, and takes over the gateway's listening sockets and everything else; MariaDB goes on. Connections that are
/// open go on in the old process for `gateway.linger` and follow the new one's word. What a new program
/// cannot take over is left as it is. Writes wait for a moment, as after a restart of the agent.
#[derive(Args, Debug)]
pub(super) struct Upgrade {
    /// The program; this one when none is named
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

/// The agent starts the process and waits until it could take over.
const PREPARE_LIMIT: Duration = Duration::from_mins(2);
/// The old process ends its services, the new one starts its own.
const SERVE_LIMIT: Duration = Duration::from_mins(2);
const ASK_LIMIT: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(20);

impl Upgrade {
    pub(super) fn run(self, context: &Context) -> Result<Exit> {
        let program = match self.program {
            Some(program) => std::path::absolute(program),
            None => std::env::current_exe(),
        };
        let program = program.map_err(Failure::doing("find the program"))?;
        let before: Process = context.ask(&Request::Agent, ASK_LIMIT)?;
        let heir: Process = context.ask(&Request::Upgrade { program }, PREPARE_LIMIT)?;
        let socket = context.config()?.control_socket();
        let now = small_runtime()?.block_on(next(&socket, before.pid))?;
        if now.pid != heir.pid {
            return Err(Failure::new(
                "the new process could not be the agent: the old program is again",
            )
            .cause(format!("process {} runs version {}", now.pid, now.version))
            .hint("the agent's log says why: `journalctl -u mainstay`"));
        }
        if context.output.json {
            context.output.json(&now)?;
        } else {
            let Process { pid, version } = now;
            context.output.talk(&format!(
                "done  process {pid} of version {version} is the agent"
            ));
        }
        Ok(Exit::Done)
    }
}

/// The first agent that is not this one any more.
async fn next(socket: &Path, before: u32) -> Result<Process> {
    let since = Instant::now();
    loop {
        let asked = control::ask::<Process>(socket, &Request::Agent, ASK_LIMIT).await;
        let is_late = since.elapsed() > SERVE_LIMIT;
        match asked {
            Ok(now) if now.pid != before => return Ok(now),
            Ok(_) if is_late => return Err(Failure::new("the agent did not give way in time")),
            Err(failure) if is_late => return Err(failure),
            Ok(_) | Err(_) => tokio::time::sleep(LOOK).await,
        }
    }
}
