//! One node of a cluster on trial: its directory, its agent process, its log.
//! It runs the product's program; which verbs with which options is in `cluster.rs`.

use std::{
    ffi::OsStr,
    fs,
    net::{Ipv4Addr, SocketAddr},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use tokio::io::AsyncWriteExt;

use crate::{
    Database, Error, Gateway, Holds, Place, Result, Status, clock,
    disk::{self, Disk},
    layout::Ports,
    load::Account,
    power,
    process::{self, Identity, MARK},
    rehearsal, settings,
};

/// The contract promises a status within two seconds; two busy cores get a little more.
const STATUS_LIMIT: Duration = Duration::from_secs(6);
/// How long killed processes may take to be gone: the kernel frees a buffer pool first, and a full queue of a disk may hold them.
const GONE_LIMIT: Duration = Duration::from_mins(1);

/// A node; it may be running or not, and joined or not yet.
#[derive(Debug)]
pub struct Node {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    pub(crate) dir: PathBuf,
    pub(crate) binary: PathBuf,
    pub(crate) place: Place,
    pub(crate) ports: Option<Ports>,
    pub(crate) witness: bool,
    pub(crate) identity: Identity,
    pub(crate) agent: Mutex<Option<Child>>,
    /// The process that took over from the one we started.
    pub(crate) heir: Mutex<Option<i32>>,
    pub(crate) holds: Option<Holds>,
    pub(crate) disk: Mutex<Option<Disk>>,
    /// Configuration keys beside those that every trial sets.
    pub(crate) keys: Vec<String>,
}

impl Node {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// It votes and holds no data.
    pub fn is_witness(&self) -> bool {
        self.witness
    }

    /// Everything of it is below this directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// What its agent says, from its first start on.
    pub fn log(&self) -> PathBuf {
        self.dir.join("agent.log")
    }

    /// The last lines of its log.
    pub fn log_tail(&self, lines: usize) -> String {
        let bytes = fs::read(self.log()).unwrap_or_default();
        let text = String::from_utf8_lossy(&bytes);
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.dir.join("mainstay.toml")
    }

    pub(crate) fn data_dir(&self) -> PathBuf {
        match self.holds {
            Some(Holds::Everything) => disk::point(&self.dir).join("data"),
            Some(Holds::Database) | None => self.dir.join("data"),
        }
    }

    /// Where its database's files are.
    pub fn database_dir(&self) -> PathBuf {
        match self.holds {
            Some(Holds::Database) => disk::point(&self.dir),
            Some(Holds::Everything) => disk::point(&self.dir).join("db"),
            None => self.dir.join("db"),
        }
    }

    /// Where its SQL gateway listens, seen from its own place.
    pub fn sql_address(&self) -> SocketAddr {
        match self.ports {
            Some(ports) => SocketAddr::from((self.address, ports.sql)),
            None => SocketAddr::from((Ipv4Addr::LOCALHOST, 3306)),
        }
    }

    /// The Unix socket at which its SQL gateway listens.
    pub fn sql_socket(&self) -> PathBuf {
        self.dir.join("sql.sock")
    }

    /// The Unix socket at which its SQL gateway serves those who only read.
    pub fn reads_socket(&self) -> PathBuf {
        settings::reads_socket(&self.sql_socket())
    }

    /// Where its MariaDB server listens, seen from its own place: past the gateway.
    pub fn server_address(&self) -> SocketAddr {
        let port = self.ports.map_or(3307, |ports| ports.mariadb);
        SocketAddr::from((Ipv4Addr::LOCALHOST, port))
    }

    /// Where its agent listens for the others.
    pub fn peer_address(&self) -> SocketAddr {
        let port = self.ports.map_or(7400, |ports| ports.peer);
        SocketAddr::from((self.address, port))
    }

    /// The network it lives in.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Memory of its agent, in KiB; none while it does not run.
    pub fn agent_memory_kib(&self) -> Option<u64> {
        let path = format!("/proc/{}/status", self.agent_pid()?);
        let text = fs::read_to_string(path).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        line.split_whitespace().next()?.parse().ok()
    }

    /// Its gateway, for a load with this account.
    pub fn gateway(&self, account: &Account) -> Gateway {
        Gateway {
            node: self.name.clone(),
            place: self.place.clone(),
            address: self.sql_address(),
            account: account.clone(),
        }
    }

    /// Its database by the administrator's socket; `status` may know a better path than the
    /// default.
    pub(crate) fn database(&self, status: Option<&Status>) -> Database {
        let told = status
            .and_then(|status| status.node(&self.name)?.database.as_ref()?.socket.clone())
            .map(PathBuf::from);
        Database {
            node: self.name.clone(),
            socket: told.unwrap_or_else(|| self.data_dir().join("run/mariadb.sock")),
        }
    }

    /// Some other program in this node's place, as an application's web server: it is ended with
    /// the node's own at the latest.
    pub fn beside(&self, program: &Path) -> Command {
        let mut command = self.place.command(program);
        command.env(MARK, &self.identity.mark);
        command
    }

    /// The program with this node's configuration, in this node's place.
    pub(crate) fn program(&self) -> Command {
        self.configured(self.place.command(&self.binary))
    }

    /// The same, which sees the node's boot id: what starts servers.
    fn booted_program(&self) -> Command {
        if self.holds.is_none() {
            return self.program();
        }
        self.configured(power::command(&self.place, &self.dir, &self.binary))
    }

    fn configured(&self, mut command: Command) -> Command {
        clock::prepare(&mut command, &self.dir);
        command
            .arg("--config")
            .arg(self.config())
            .env(MARK, &self.identity.mark)
            .env(rehearsal::VARIABLE, self.end_after_file())
            .env("NO_COLOR", "1");
        command
    }

    /// Runs one verb to its end and returns what it printed, whatever its exit code.
    ///
    /// # Errors
    /// It cannot be run, or does not end within the limit (it is killed then).
    pub async fn run<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        input: &str,
        limit: Duration,
    ) -> Result<Output> {
        let shown = format!(
            "mainstay {} (on {})",
            args.first()
                .map_or("".into(), |verb| verb.as_ref().to_string_lossy()),
            self.name
        );
        let failed = |source| Error::NotRun {
            command: shown.clone(),
            source,
        };
        let mut command = self.program();
        command
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        if let Some(mut stdin) = child.stdin.take() {
            // Why ignored: a verb that reads no input may have closed it already.
            let _ = stdin.write_all(input.as_bytes()).await;
        }
        match tokio::time::timeout(limit, child.wait_with_output()).await {
            Ok(output) => output.map_err(failed),
            Err(_) => Err(Error::Silent {
                command: shown,
                limit,
            }),
        }
    }

    /// Like `run`, and anything but exit code 0 is an error.
    ///
    /// # Errors
    /// As `run`, and `Refused` with the end of its standard error.
    pub async fn must<S: AsRef<OsStr>>(
        &self,
        args: &[S],
        input: &str,
        limit: Duration,
    ) -> Result<String> {
        let output = self.run(args, input, limit).await?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let verb = args
            .first()
            .map(|verb| verb.as_ref().to_string_lossy().into_owned());
        Err(refused(
            &format!("mainstay {} (on {})", verb.unwrap_or_default(), self.name),
            &output,
        ))
    }

    /// What `status --json` prints here. Exit codes 3 and 4 are answers, not failures.
    ///
    /// # Errors
    /// The agent is not there, does not answer, or prints something else.
    pub async fn status(&self) -> Result<Status> {
        let output = self.run(&["status", "--json"], "", STATUS_LIMIT).await?;
        if !matches!(output.status.code(), Some(0 | 3 | 4)) {
            return Err(refused(
                &format!("mainstay status (on {})", self.name),
                &output,
            ));
        }
        serde_json::from_slice(&output.stdout).map_err(|source| Error::Status {
            node: self.name.clone(),
            source,
        })
    }

    /// Starts its agent.
    ///
    /// # Errors
    /// The program or its log file refuses.
    pub fn start(&self) -> Result<()> {
        if self.is_running() {
            return Ok(());
        }
        let mut agent = self.agent();
        let path = self.log();
        let open = fs::OpenOptions::new().create(true).append(true).open(&path);
        let log = open.map_err(Error::file("open", &path))?;
        let copy = log.try_clone().map_err(Error::file("open", &path))?;
        // Why a group of its own: Ctrl-C at the terminal is for us, and we end it in order.
        let child = self
            .booted_program()
            .arg("run")
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(copy)
            .process_group(0)
            .spawn()
            .map_err(|source| Error::NotRun {
                command: "mainstay run".into(),
                source,
            })?;
        *agent = Some(child);
        *self.heir() = None;
        Ok(())
    }

    /// Its agent's process runs.
    pub fn is_running(&self) -> bool {
        self.agent_pid().is_some()
    }

    /// Its agent's process, while it runs.
    pub fn agent_pid(&self) -> Option<i32> {
        if let Some(heir) = *self.heir() {
            return process::is_alive(heir).then_some(heir);
        }
        let mut agent = self.agent();
        let child = agent.as_mut()?;
        match child.try_wait() {
            Ok(None) => i32::try_from(child.id()).ok(),
            _ => None,
        }
    }

    pub(crate) fn disk(&self) -> MutexGuard<'_, Option<Disk>> {
        self.disk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn agent(&self) -> MutexGuard<'_, Option<Child>> {
        self.agent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn heir(&self) -> MutexGuard<'_, Option<i32>> {
        self.heir.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The processes of its MariaDB server: none, one, or in a bad moment more.
    pub fn server_pids(&self) -> Vec<i32> {
        let mut pids = process::of_node(&self.identity);
        pids.retain(|pid| process::is_server(*pid));
        pids
    }

    /// Every process of it, the agent first.
    pub(crate) fn pids(&self) -> Vec<i32> {
        let agent = self.agent_pid();
        let mut pids = process::of_node(&self.identity);
        pids.sort_by_key(|pid| Some(*pid) != agent);
        pids
    }

    /// Kills these and waits until they are gone.
    pub(crate) fn kill(&self, find: impl Fn(&Self) -> Vec<i32>) -> Result<()> {
        let until = Instant::now() + GONE_LIMIT;
        loop {
            let pids = find(self);
            if pids.is_empty() {
                return Ok(());
            }
            for pid in &pids {
                process::signal(*pid, &self.identity, Signal::KILL);
            }
            if Instant::now() > until {
                return Err(Error::StillRunning {
                    node: self.name.clone(),
                    pids,
                    limit: GONE_LIMIT,
                });
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// Takes the ended agent off the process table.
    pub(crate) fn reap(&self) {
        if let Some(mut child) = self.agent().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

pub(crate) fn refused(command: &str, output: &Output) -> Error {
    let said = String::from_utf8_lossy(&output.stderr);
    let skipped = said.chars().count().saturating_sub(2_000);
    Error::Refused {
        command: command.to_owned(),
        code: output.status.to_string(),
        said: said
            .chars()
            .skip(skipped)
            .collect::<String>()
            .trim()
            .to_owned(),
    }
}
