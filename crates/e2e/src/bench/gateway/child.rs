//! A program started for a measurement: its words go to a file, it is asked to end, and it does not
//! outlive what started it.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use trial::Place;

/// How long it may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(20);
/// Between two looks at what gives no event.
pub(super) const LOOK: Duration = Duration::from_millis(20);

/// A running program; killed when dropped.
#[derive(Debug)]
pub(super) struct Program {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Program {
    /// Starts it in this place; what it prints goes to `NAME.log` in `dir`.
    pub(super) fn start(from: &Place, program: &Path, args: &[String], dir: &Path) -> Result<Self> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let log = dir.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("create {}", log.display()))?;
        let child = Command::from(from.command(program))
            .args(args)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        Ok(Self {
            child,
            name: name.into_owned(),
            log,
        })
    }

    /// Its process.
    pub(super) fn pid(&self) -> Result<i32> {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok());
        pid.with_context(|| format!("{} has ended: {}", self.name, self.said()))
    }

    /// What it has printed.
    pub(super) fn printed(&self) -> String {
        let bytes = std::fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// The end of what it printed.
    pub(super) fn said(&self) -> String {
        let text = self.printed();
        let lines: Vec<&str> = text.trim().lines().collect();
        lines[lines.len().saturating_sub(5)..].join("; ")
    }

    /// Waits for a condition while it runs.
    pub(super) async fn wait_until(
        &mut self,
        what: &str,
        limit: Duration,
        mut is_so: impl FnMut(&Self) -> bool,
    ) -> Result<()> {
        let until = Instant::now() + limit;
        while !is_so(self) {
            if let Some(status) = self.child.try_wait()? {
                bail!("{} ended, {status}: {}", self.name, self.said());
            }
            let is_late = Instant::now() > until;
            ensure!(!is_late, "{what}: not within {limit:?}; {}", self.said());
            tokio::time::sleep(LOOK).await;
        }
        Ok(())
    }

    /// Sends the signal and waits for the end.
    pub(super) async fn end(mut self, signal: Signal) -> Result<ExitStatus> {
        let pid = Pid::from_raw(self.pid()?).context("it has no process")?;
        kill_process(pid, signal).with_context(|| format!("end {}", self.name))?;
        let ended = tokio::time::timeout(GRACE, self.child.wait()).await;
        let name = &self.name;
        let status = ended.with_context(|| format!("{name} does not end within {GRACE:?}"))?;
        Ok(status?)
    }
}

/// Runs a program in this place to its end and returns what it printed; a status other than 0 is an error with its words.
pub(super) async fn output(
    from: &Place,
    program: &str,
    args: &[String],
    limit: Duration,
) -> Result<String> {
    let running = Command::from(from.command(Path::new(program)))
        .args(args)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let ended = tokio::time::timeout(limit, running).await;
    let output = ended
        .with_context(|| format!("{program} takes longer than {limit:?}"))?
        .with_context(|| format!("start {program}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    let all = said + &String::from_utf8_lossy(&output.stderr);
    let is_fault = |line: &&str| {
        ["FATAL", "error", "Error"]
            .iter()
            .any(|word| line.contains(word))
    };
    let why = all.lines().find(is_fault).unwrap_or("it does not say why");
    bail!("{program}: {}: {why}", output.status)
}
