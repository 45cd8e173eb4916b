//! The heir's side: started by the agent that it takes over from, with the line as its standard input.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::process::Command;
use std::time::Duration;

use clap::ValueEnum;

use super::line::{Line, VERSION, Word};
use crate::output::{Failure, Result};

/// The old process ends its services in this time, or has given the heir up.
const GO_LIMIT: Duration = Duration::from_mins(2);

/// How an heir comes to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Step {
    /// Starts the heir and ends: whoever adopts orphans (systemd) is its parent then, and learns of its end.
    Launch,
    /// Is the heir.
    Now,
}

/// Starts the heir, with the standard input of this process.
pub(crate) fn launch() -> Result {
    let arguments = std::env::args_os().skip(1).map(|argument| {
        if argument == "--take-over=launch" {
            "--take-over=now".into()
        } else {
            argument
        }
    });
    // Why not by its path: another file may have that by now.
    let started = Command::new("/proc/self/exe").args(arguments).spawn();
    started.map_err(Failure::doing("start the new agent"))?;
    Ok(())
}

/// Where an heir waits for its turn.
pub(crate) struct Seat(Line);

impl Seat {
    /// Takes the line off the standard input.
    pub(crate) fn take() -> Result<Self> {
        let failed = |error: io::Error| Failure::doing("take the line to the running agent")(error);
        let line = io::stdin().as_fd().try_clone_to_owned().map_err(failed)?;
        let kind = rustix::net::sockopt::socket_type(&line);
        if kind != Ok(rustix::net::SocketType::SEQPACKET) {
            return Err(
                Failure::usage("`--take-over` is for the agent, not for people")
                    .hint("`mainstay upgrade` starts a new agent in place of the running one"),
            );
        }
        let nothing = File::open("/dev/null").map_err(failed)?;
        rustix::stdio::dup2_stdin(nothing).map_err(|error| failed(error.into()))?;
        Ok(Self(Line::new(line)))
    }

    /// Says that this process could be the agent, and waits until it is. The first of what comes is the lock.
    pub(in crate::agent) async fn wait(&self) -> Result<Vec<OwnedFd>> {
        let failed = || Failure::doing("take over from the running agent");
        let prepared = Word::Prepared {
            line: VERSION,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        self.0.say(&prepared, &[]).map_err(failed())?;
        match self.0.hear(GO_LIMIT).await.map_err(failed())? {
            (Word::Go, sockets) => Ok(sockets),
            (other, _) => Err(Failure::new("cannot take over from the running agent")
                .cause(format!("it said {other:?}"))),
        }
    }

    /// Says that this process is the agent now.
    pub(in crate::agent) fn serving(&self) {
        // Why ignored: then the old process has ended, and there is nobody to tell.
        let _ = self.0.say(&Word::Serving, &[]);
    }

    /// Says why it is not.
    pub(crate) fn failed(&self, failure: &Failure) {
        let _ = self.0.say(&Word::Failed(failure.clone()), &[]);
    }
}
