//! The old process' side: starts the heir, hears what it says, and ends it for good when it fails.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::process::Command;
use tokio::time::timeout;

use super::line::{Line, MOST_SOCKETS, VERSION, Word};
use crate::output::{Failure, Result};

/// An heir reads its papers in this time. Nothing stands still meanwhile.
const PREPARE_LIMIT: Duration = Duration::from_secs(30);
/// An heir has opened the ledger and started its services in this time.
const SERVE_LIMIT: Duration = Duration::from_mins(1);
/// A killed process is gone in this time, unless its disk hangs.
const KILL_LIMIT: Duration = Duration::from_secs(30);

/// A process that could take over.
pub(in crate::agent) struct Heir {
    line: Line,
    /// Its process.
    pub(in crate::agent) pid: u32,
    /// Of its program.
    pub(in crate::agent) version: String,
    process: OwnedFd,
}

impl Heir {
    /// Starts `program` with this process' own arguments; returns when it could take over. An heir that is dropped ends
    /// by itself.
    pub(in crate::agent) async fn start(program: &Path) -> Result<Self> {
        let shown = program.display();
        let (line, theirs) = Line::pair().map_err(Failure::doing("make a line"))?;
        let launched = Command::new(program)
            .args(arguments())
            // Why: it is this process' number; whoever is asked to feed the watchdog is the heir then.
            .env_remove("WATCHDOG_PID")
            .stdin(Stdio::from(theirs))
            .status();
        let late = || {
            Failure::new(format!(
                "`{shown}` was not ready to take over within {} s",
                PREPARE_LIMIT.as_secs()
            ))
            .hint("the agent's log says what it did")
        };
        let status = timeout(PREPARE_LIMIT, launched).await.map_err(|_| late())?;
        let status = status.map_err(Failure::doing(format!("start `{shown}`")))?;
        if !status.success() {
            return Err(
                Failure::new(format!("`{shown}` cannot take over: {status}")).hint(
                    "the agent's log has its words; is it a `mainstay` that knows `upgrade`?",
                ),
            );
        }
        match line.hear(PREPARE_LIMIT).await {
            Ok((
                Word::Prepared {
                    line: VERSION,
                    pid,
                    version,
                },
                _,
            )) => {
                let process = open(pid).map_err(Failure::doing("find the new process"))?;
                Ok(Self {
                    line,
                    pid,
                    version,
                    process,
                })
            }
            Ok((Word::Failed(failure), _)) => Err(failure),
            Ok((other, _)) => Err(Failure::new(format!("`{shown}` takes over in another way"))
                .cause(format!("it said {other:?}"))
                .hint("end this agent and start that one: `systemctl restart mainstay`")),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Err(late()),
            Err(error) => Err(
                Failure::new(format!("`{shown}` ended before it could take over"))
                    .cause(error)
                    .hint("the agent's log has its words"),
            ),
        }
    }

    /// Gives it everything; returns when it is the agent. After an error it must be ended.
    pub(in crate::agent) async fn go(&self, sockets: &[OwnedFd]) -> Result<()> {
        let failed = |error: io::Error| Failure::doing("hand over to the new process")(error);
        if sockets.len() > MOST_SOCKETS {
            return Err(failed(io::Error::other("more than 200 listening sockets")));
        }
        let sockets: Vec<_> = sockets.iter().map(AsFd::as_fd).collect();
        self.line.say(&Word::Go, &sockets).map_err(failed)?;
        match self.line.hear(SERVE_LIMIT).await.map_err(failed)? {
            (Word::Serving, _) => Ok(()),
            (Word::Failed(failure), _) => Err(failure),
            (other, _) => Err(failed(io::Error::other(format!("it said {other:?}")))),
        }
    }

    /// Asks it to end in order.
    pub(in crate::agent) fn terminate(&self) {
        let _ = pidfd_send_signal(&self.process, Signal::TERM);
    }

    /// Ends it; only when this returns true is it certain that it does nothing any more.
    pub(in crate::agent) async fn end(self) -> bool {
        let _ = pidfd_send_signal(&self.process, Signal::KILL);
        #[expect(
            deprecated,
            reason = "its successor is unsafe to call; an `OwnedFd` stays open and the same"
        )]
        let Ok(process) = AsyncFd::with_interest(self.process, Interest::READABLE) else {
            return false;
        };
        matches!(timeout(KILL_LIMIT, process.readable()).await, Ok(Ok(_)))
    }
}

fn open(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or(io::ErrorKind::InvalidData)?;
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}

/// This process' own, for one that takes over.
fn arguments() -> Vec<OsString> {
    let own = std::env::args_os().skip(1);
    let own = own.filter(|argument| !argument.to_string_lossy().starts_with("--take-over"));
    own.chain(["--take-over=launch".into()]).collect()
}
