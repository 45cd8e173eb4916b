//! Start and end of the server's process. It outlives the agent: a process of its own group, found again by
//! identity after the agent's restart. Only `start` decides about a role in crash recovery, per start.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::Instant;

use crate::disk;
use crate::error::{Error, Result};
use crate::files;
use crate::priority;
use crate::process::{self, Exit, Process};
use crate::server::Server;
use crate::version::Version;

/// Pause between two looks at a server that is starting.
const STARTING_POLL: Duration = Duration::from_millis(10);
/// What a server writes before it answers: its temporary tablespace alone takes 12 MiB. With less it waits for
/// room and looks again after a minute, so that it would come late when there is room (10.11.19).
const START_BYTES: u64 = 16 << 20;

/// What crash recovery does with transactions that were prepared and never acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAs {
    /// Keeps everything that stands in the binlog. For everybody but a deposed primary.
    Ordinary,
    /// Cuts off the tail of the binlog that was still prepared, acknowledged or not
    /// (`init-rpl-role=SLAVE`, on the command line only). Only as the protocol rules; a new data id is due before.
    Destructive,
}

impl Server {
    /// Number of the server's process, also of one that an earlier agent has started. `None` when there is none.
    /// A pid file alone is never believed: start time, boot and command line must fit.
    pub async fn find_running(&self) -> Option<u32> {
        if let Some(process) = self.known_process() {
            if process.is_alive() {
                return Some(process.pid);
            }
            process.reap();
        }
        let server = self.clone();
        let found = tokio::task::spawn_blocking(move || server.search())
            .await
            .ok()
            .flatten();
        self.set_process(found.clone());
        found.map(|process| process.pid)
    }

    fn search(&self) -> Option<Process> {
        if let Some(process) = Process::recorded(&self.record_file()).filter(Process::is_alive) {
            return Some(process);
        }
        let hint = std::fs::read_to_string(self.settings().pid_file());
        let hint = hint.ok().and_then(|text| text.trim().parse().ok());
        let ours = |pid: &u32| self.is_command_line_ours(&process::command_line(*pid));
        let pid = hint
            .filter(ours)
            .or_else(|| process::all().into_iter().find(ours))?;
        let process = Process::with_pid(pid)?;
        if let Err(error) = process.record(&self.record_file()) {
            tracing::warn!(%error, "cannot record the server's process");
        }
        Some(process)
    }

    fn is_command_line_ours(&self, words: &[String]) -> bool {
        let Some((program, options)) = words.split_first() else {
            return false;
        };
        let name = Path::new(program)
            .file_name()
            .and_then(OsStr::to_str)
            .unwrap_or_default();
        let config = format!(
            "--defaults-file={}",
            self.settings().config_file().display()
        );
        matches!(name, "mariadbd" | "mysqld") && options.first() == Some(&config)
    }

    fn record_file(&self) -> PathBuf {
        self.settings().state_dir.join("server.process")
    }

    /// Version of the installed server program; refuses one that cannot be lossless.
    pub async fn installed_version(&self) -> Result<Version> {
        let program = self.program("mariadbd")?;
        let output = tokio::process::Command::new(&program)
            .args(["--no-defaults", "--version"])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output();
        let limit = Duration::from_secs(20);
        let late = |_| Error::Timeout {
            doing: "ask mariadbd for its version".to_owned(),
            limit,
        };
        let output = tokio::time::timeout(limit, output).await.map_err(late)?;
        let output = output.map_err(Error::file(format!("run `{}`", program.display())))?;
        let version = Version::of_program(&String::from_utf8_lossy(&output.stdout))?;
        version.check()?;
        Ok(version)
    }

    /// Starts the server: closed for writes, not replicating, semi-sync off. Returns its pid when the
    /// administrator's socket answers. When it ends before, the error carries the end of its log;
    /// when `limit` passes it is left starting.
    pub async fn start(&self, start_as: StartAs, limit: Duration) -> Result<u32> {
        let deadline = Instant::now() + limit;
        if let Some(pid) = self.find_running().await {
            return Err(Error::AlreadyRunning(pid));
        }
        if !self.has_data() {
            return Err(Error::DataMissing(self.settings().database_dir.clone()));
        }
        self.refuse_full()?;
        let version = self.installed_version().await?;
        version.check_data(&self.settings().database_dir)?;
        self.write_files()?;
        // Why: what a former process left could not be overwritten if another user owns it.
        for stale in [self.settings().pid_file(), self.settings().socket()] {
            let _ = std::fs::remove_file(stale);
        }
        self.mark_relay_log()?;
        let log = self.settings().error_log();
        let log_start = files::length(&log);
        let process = self.spawn(start_as)?;
        self.set_process(Some(process.clone()));
        process
            .record(&self.record_file())
            .map_err(Error::file("record the server's process"))?;
        self.wait_answering(&process, deadline, limit, log_start)
            .await
    }

    fn refuse_full(&self) -> Result<()> {
        let place = &self.settings().database_dir;
        match disk::free_bytes(place) {
            Ok(free_bytes) if free_bytes < START_BYTES => Err(Error::NoRoomToStart {
                place: place.clone(),
                free_bytes,
            }),
            _ => Ok(()),
        }
    }

    fn spawn(&self, start_as: StartAs) -> Result<Process> {
        use std::os::unix::process::CommandExt as _;
        let program = self.program("mariadbd")?;
        let settings = self.settings();
        let log = settings.error_log();
        let open = || {
            OpenOptions::new()
                .append(true)
                .open(&log)
                .map_err(Error::file("open the error log"))
        };
        let mut command = Command::new(&program);
        command.arg(format!(
            "--defaults-file={}",
            settings.config_file().display()
        ));
        if let Some(user) = &settings.user {
            command.arg(format!("--user={user}"));
        }
        if start_as == StartAs::Destructive {
            command.args(["--init-rpl-role=SLAVE", "--rpl-semi-sync-slave-enabled=ON"]);
        }
        // Why: the agent's own dealings with systemd are not the server's.
        for name in [
            "NOTIFY_SOCKET",
            "LISTEN_FDS",
            "LISTEN_PID",
            "LISTEN_FDNAMES",
            "WATCHDOG_USEC",
            "WATCHDOG_PID",
        ] {
            command.env_remove(name);
        }
        for name in [
            "MYSQL_HOME",
            "MYSQL_GROUP_SUFFIX",
            "MYSQL_TCP_PORT",
            "MYSQL_UNIX_PORT",
        ] {
            command.env_remove(name);
        }
        // Why: its own process group, so that Ctrl-C in the agent's terminal does not reach it.
        command
            .process_group(0)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(open()?)
            .stderr(open()?);
        let child = command
            .spawn()
            .map_err(Error::file(format!("run `{}`", program.display())))?;
        priority::comes_second(child.id());
        // Why: `Process` reaps by itself; the handle of the standard library is not needed.
        Process::with_pid(child.id()).ok_or_else(|| Error::StartFailed {
            exit: "it ended at once".to_owned(),
            log: files::tail(&log, 0),
        })
    }

    async fn wait_answering(
        &self,
        process: &Process,
        deadline: Instant,
        limit: Duration,
        log_start: u64,
    ) -> Result<u32> {
        let log = || files::tail(&self.settings().error_log(), log_start);
        let answering = async {
            loop {
                let asked = self.inner.acting.open(self, Duration::from_secs(2)).await;
                match asked {
                    Ok(()) => return,
                    Err(error) => tracing::trace!(%error, "MariaDB is starting"),
                }
                tokio::time::sleep(STARTING_POLL).await;
            }
        };
        tokio::select! {
            biased;
            exit = process.ended() => {
                let exit = exit.map_or_else(|e| e.to_string(), |e| e.to_string());
                Err(Error::StartFailed { exit, log: log() })
            }
            () = answering => Ok(process.pid),
            () = tokio::time::sleep_until(deadline) => {
                Err(Error::StillStarting { pid: process.pid, limit, log: log() })
            }
        }
    }

    /// Resolves when the server's process has ended; at once when none is there.
    pub async fn exited(&self) -> Exit {
        if self.find_running().await.is_none() {
            return Exit::Unknown;
        }
        let Some(process) = self.known_process() else {
            return Exit::Unknown;
        };
        loop {
            match process.ended().await {
                Ok(exit) => return exit,
                Err(error) => {
                    // Limit: no pidfd (out of descriptors, say); looking at it once in a while still works.
                    tracing::warn!(%error, pid = process.pid, "cannot watch the server's process");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    if !process.is_alive() {
                        return Exit::Unknown;
                    }
                }
            }
        }
    }

    /// Ends the server gracefully (SIGTERM). **Commits that wait for an acknowledgement become durable
    /// here without one**: on a primary only after `set_read_only(true)` has succeeded.
    pub async fn stop(&self, limit: Duration) -> Result<Exit> {
        self.end(Signal::TERM, "SIGTERM", limit).await
    }

    /// Ends the server at once (SIGKILL): the fence. On a hung disk the process stays: `StillThere`.
    pub async fn kill(&self, limit: Duration) -> Result<Exit> {
        self.end(Signal::KILL, "SIGKILL", limit).await
    }

    async fn end(&self, signal: Signal, name: &'static str, limit: Duration) -> Result<Exit> {
        if self.find_running().await.is_none() {
            return Ok(Exit::Unknown);
        }
        let Some(process) = self.known_process() else {
            return Ok(Exit::Unknown);
        };
        let failed = |error: io::Error| Error::file(format!("send {name} to MariaDB"))(error);
        process.signal(signal).map_err(failed)?;
        if let Some(exit) = process.ended_within(limit).await.map_err(failed)? {
            self.set_process(None);
            return Ok(exit);
        }
        Err(Error::StillThere {
            pid: process.pid,
            state: process.state(),
            signal: name,
            limit,
        })
    }
}
