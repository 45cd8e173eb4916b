//! One process, held so that its number cannot be taken by another: pid, start time, pidfd.
//! Blocking reads of /proc happen here only; `lifecycle.rs` says what they mean for the server.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, Signal, WaitId, WaitIdOptions};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Identity of a process on this machine: a number and when it began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    /// Process number.
    pub(crate) pid: u32,
    /// Start time in clock ticks since boot, from /proc/PID/stat.
    pub(crate) started: u64,
    /// Kernel boot in which both are valid.
    pub(crate) boot: String,
}

/// How a process ended, as far as it can be known (only its parent is told).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It ended with this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It was another's child, or had ended before.
    Unknown,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(signal) => write!(f, "signal {signal}"),
            Self::Unknown => f.write_str("ended"),
        }
    }
}

/// What /proc/PID/stat says that matters here.
pub(crate) struct Stat {
    pub(crate) state: char,
    pub(crate) started: u64,
}

pub(crate) fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Why: the name in parentheses may hold blanks and parentheses.
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
    let state = fields.next()?.chars().next()?;
    let started = fields.nth(18)?.parse().ok()?;
    Some(Stat { state, started })
}

/// True when the process, or a thread of it that hangs in the kernel, is still there.
/// A killed server on a hung disk shows a leader in state Z and threads in state D.
fn is_present(pid: u32, state: char) -> bool {
    if !matches!(state, 'Z' | 'X') {
        return true;
    }
    fs::read_dir(format!("/proc/{pid}/task")).is_ok_and(|tasks| tasks.count() > 1)
}

fn boot() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

fn number(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

impl Process {
    /// The process that has this number now.
    pub(crate) fn with_pid(pid: u32) -> Option<Self> {
        let stat = stat(pid)?;
        let process = Self {
            pid,
            started: stat.started,
            boot: boot().ok()?,
        };
        is_present(pid, stat.state).then_some(process)
    }

    /// Reads what `record` wrote.
    pub(crate) fn recorded(file: &Path) -> Option<Self> {
        let text = fs::read_to_string(file).ok()?;
        let mut words = text.split_whitespace();
        let pid = words.next()?.parse().ok()?;
        let started = words.next()?.parse().ok()?;
        Some(Self {
            pid,
            started,
            boot: words.next()?.to_owned(),
        })
    }

    /// Writes the identity to a file of ours, by rename so that it is whole.
    pub(crate) fn record(&self, file: &Path) -> io::Result<()> {
        let beside = file.with_extension("new");
        fs::write(
            &beside,
            format!("{} {} {}\n", self.pid, self.started, self.boot),
        )?;
        fs::rename(beside, file)
    }

    /// True when this very process is still there.
    pub(crate) fn is_alive(&self) -> bool {
        let same = |s: &Stat| s.started == self.started && is_present(self.pid, s.state);
        boot().is_ok_and(|boot| boot == self.boot) && stat(self.pid).as_ref().is_some_and(same)
    }

    /// Letter of its state; `X` when it is gone.
    pub(crate) fn state(&self) -> char {
        let worst = |tasks: fs::ReadDir| {
            let states = tasks.flatten().filter_map(|task| {
                let name = task.file_name().to_str()?.parse().ok()?;
                stat(name).map(|s| s.state)
            });
            states.filter(|s| *s == 'D').last()
        };
        let hung = fs::read_dir(format!("/proc/{}/task", self.pid))
            .ok()
            .and_then(worst);
        hung.or_else(|| stat(self.pid).map(|s| s.state))
            .unwrap_or('X')
    }

    /// Resolves when it has ended, at once when it has already. Reaps it when it is our child.
    pub(crate) async fn ended(&self) -> io::Result<Exit> {
        let Some(handle) = self.open()? else {
            return Ok(Exit::Unknown);
        };
        #[expect(
            deprecated,
            reason = "its successor is unsafe to call; an `OwnedFd` stays open and the same"
        )]
        let handle = AsyncFd::with_interest(handle, Interest::READABLE)?;
        handle.readable().await?.retain_ready();
        Ok(self.reap())
    }

    /// `ended` with a limit; `None` when it is still there.
    pub(crate) async fn ended_within(&self, limit: Duration) -> io::Result<Option<Exit>> {
        match tokio::time::timeout(limit, self.ended()).await {
            Ok(exit) => exit.map(Some),
            Err(_) => Ok(None),
        }
    }

    /// Sends a signal to this process and no other; nothing when it is gone.
    pub(crate) fn signal(&self, signal: Signal) -> io::Result<()> {
        let Some(handle) = self.open()? else {
            return Ok(());
        };
        match rustix::process::pidfd_send_signal(&handle, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// A handle on this process; its identity is checked after opening, so the number cannot have been taken.
    fn open(&self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = number(self.pid) else {
            return Ok(None);
        };
        let handle = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(handle) => handle,
            Err(rustix::io::Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        if self.is_alive() {
            return Ok(Some(handle));
        }
        self.reap();
        Ok(None)
    }

    /// Takes the exit status of an ended child, so that no zombie is left.
    pub(crate) fn reap(&self) -> Exit {
        let same = stat(self.pid).is_some_and(|s| s.started == self.started);
        let Some(pid) = number(self.pid).filter(|_| same) else {
            return Exit::Unknown;
        };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
        match rustix::process::waitid(WaitId::Pid(pid), options) {
            Ok(Some(status)) => match (status.exit_status(), status.terminating_signal()) {
                (Some(code), _) => Exit::Code(code),
                (_, Some(signal)) => Exit::Signal(signal),
                _ => Exit::Unknown,
            },
            _ => Exit::Unknown,
        }
    }
}

/// Words of a process' command line; empty for one that has ended or is not ours to see.
pub(crate) fn command_line(pid: u32) -> Vec<String> {
    let Ok(bytes) = fs::read(format!("/proc/{pid}/cmdline")) else {
        return Vec::new();
    };
    bytes
        .split(|b| *b == 0)
        .filter(|word| !word.is_empty())
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// Numbers of all processes that are visible here.
pub(crate) fn all() -> Vec<u32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}
