//! Programs of the MariaDB packages that read or write data for us: how they are run and how their failure is told.
//! Their standard error is kept only as its last lines.

use std::collections::VecDeque;
use std::process::{ExitStatus, Stdio};

use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::Command;
use tokio::task::JoinHandle;

use crate::error::{Error, Result, TEXT_LIMIT, cut};
use crate::server::Server;

/// Lines of standard error that an error may carry.
const LINES: usize = 8;

/// The end of what a program says on standard error.
pub(crate) struct LastWords(JoinHandle<VecDeque<String>>);

impl LastWords {
    /// Reads in the background until the program closes it.
    pub(crate) fn listen(stderr: impl AsyncRead + Unpin + Send + 'static) -> Self {
        Self(tokio::spawn(async move {
            let mut kept = VecDeque::new();
            let mut lines = BufReader::new(stderr).split(b'\n');
            while let Ok(Some(line)) = lines.next_segment().await {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim();
                if text.is_empty() || text.chars().all(|c| c == '-') {
                    continue;
                }
                if kept.len() == LINES {
                    kept.pop_front();
                }
                kept.push_back(cut(text, TEXT_LIMIT / LINES));
            }
            kept
        }))
    }

    /// Waits for the end of it.
    pub(crate) async fn text(self) -> String {
        let lines: Vec<String> = self.0.await.unwrap_or_default().into();
        lines.join("; ")
    }
}

/// Success, or the program's failure with its last words.
pub(crate) fn check(program: &str, status: ExitStatus, log: String) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    Err(Error::ProgramFailed {
        program: program.to_owned(),
        exit: status.to_string(),
        log,
    })
}

impl Server {
    /// A program with nothing inherited but a clean environment; it dies with the handle.
    pub(crate) fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(self.program(program)?);
        command
            .env_clear()
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            // Why: mariadb-binlog prints and reads times in local time.
            .env("TZ", "UTC")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Ok(command)
    }

    /// As `command`, run as the server's user when we are root.
    pub(crate) fn command_as_owner(&self, program: &str) -> Result<Command> {
        let mut command = self.command(program)?;
        if rustix::process::geteuid().is_root()
            && let Some((user, group)) = self.owner()?
        {
            command.uid(user).gid(group);
        }
        Ok(command)
    }
}

/// Runs a program to its end.
pub(crate) async fn finish(program: &str, mut command: Command) -> Result<()> {
    let spawned = |e| Error::file(format!("run `{program}`"))(e);
    let mut child = command.spawn().map_err(spawned)?;
    let words = child.stderr.take().map(LastWords::listen);
    let status = child.wait().await.map_err(spawned)?;
    let log = match words {
        Some(words) => words.text().await,
        None => String::new(),
    };
    check(program, status, log)
}
