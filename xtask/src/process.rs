//! Running other programs: said aloud, with a limit, and ended by process id when it is over.
//! Nothing here goes through a shell.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

const POLL: Duration = Duration::from_millis(50);
const GRACE: Duration = Duration::from_secs(20);

/// The root of the checkout.
pub(crate) fn root() -> PathBuf {
    // Why: cargo sets the variable for `cargo run` and `cargo test`; the compile-time value is
    // for a binary started by hand.
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    own.parent().map_or_else(|| own.clone(), PathBuf::from)
}

/// The cargo that runs us, started in the root of the checkout.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command with our own output and fails when it does, or when it takes too long.
///
/// # Errors
/// When it cannot be started, ends with another status than 0, or outlives the limit.
pub(crate) fn run(command: &mut Command, limit: Duration) -> Result<()> {
    let line = line_of(command);
    eprintln!("$ {line}");
    let status = finish(command, limit)?;
    if !status.success() {
        bail!("`{line}` failed: {status}");
    }
    Ok(())
}

/// Runs a command to its end, whatever that is.
///
/// # Errors
/// When it cannot be started or outlives the limit.
pub(crate) fn finish(command: &mut Command, limit: Duration) -> Result<ExitStatus> {
    let line = line_of(command);
    let mut child = command.spawn().with_context(|| format!("start `{line}`"))?;
    wait(&mut child, limit).with_context(|| format!("`{line}`"))
}

/// Runs a command silently and returns what it printed on stdout.
///
/// # Errors
/// When it cannot be started or fails; the error then carries the end of its output.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = line_of(command);
    let output = command
        .output()
        .with_context(|| format!("start `{line}`"))?;
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        let all = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
        let lines: Vec<&str> = all.lines().collect();
        let tail = lines[lines.len().saturating_sub(30)..].join("\n");
        bail!("`{line}` failed: {}\n{tail}", output.status);
    }
    Ok(stdout)
}

/// Is this process the administrator's?
pub(crate) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

fn line_of(command: &Command) -> String {
    let program = PathBuf::from(command.get_program());
    let name = program.file_name().unwrap_or(command.get_program());
    std::iter::once(name)
        .chain(command.get_args())
        .map(|part| part.to_string_lossy().into_owned())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Waits for a child's end; one that outlives the limit is ended with all that it started.
///
/// # Errors
/// When it outlives the limit.
pub(crate) fn wait(child: &mut Child, limit: Duration) -> Result<ExitStatus> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if started.elapsed() > limit {
            end(child)?;
            bail!("not done after {} s, ended", limit.as_secs());
        }
        thread::sleep(POLL);
    }
}

/// Ends a child and what it started, by process id: asked first, then killed.
fn end(child: &mut Child) -> Result<()> {
    // Why: collected before the signal; an orphan's parent is no longer in the tree afterwards.
    let tree = descendants(child.id());
    signal("-TERM", &tree);
    let asked = Instant::now();
    while child.try_wait()?.is_none() && asked.elapsed() < GRACE {
        thread::sleep(POLL);
    }
    signal("-KILL", &tree);
    child.wait()?;
    Ok(())
}

fn signal(name: &str, pids: &[u32]) {
    let pids = pids.iter().map(ToString::to_string);
    // Why: a process that has ended meanwhile makes `kill` complain, and that is no failure.
    let _ = Command::new("kill").arg(name).args(pids).output();
}

/// The process and everything below it, from `/proc/PID/stat`.
fn descendants(ancestor: u32) -> Vec<u32> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<u32>() else {
            continue;
        };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        if let Some(parent) = parent_in(&stat) {
            parents.push((pid, parent));
        }
    }
    let mut found = vec![ancestor];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next];
        found.extend(
            parents
                .iter()
                .filter(|pair| pair.1 == parent)
                .map(|pair| pair.0),
        );
        next += 1;
    }
    found
}

/// The parent's id in a `stat` line; the program's name may hold blanks and brackets.
fn parent_in(stat: &str) -> Option<u32> {
    stat.rsplit_once(')')?
        .1
        .split_whitespace()
        .nth(1)?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parent_when_name_has_brackets_then_found() {
        assert_eq!(parent_in("7 (a) b (c) S 42 7 7 0"), Some(42));
        assert_eq!(parent_in("nonsense"), None);
    }

    #[test]
    fn run_when_status_is_not_zero_then_fails() {
        assert!(run(&mut Command::new("true"), GRACE).is_ok());
        let error = run(&mut Command::new("false"), GRACE).unwrap_err();
        assert!(error.to_string().contains("`false` failed"), "{error}");
    }

    #[test]
    fn run_when_limit_passes_then_child_and_grandchild_are_ended() {
        let mut command = Command::new("sh");
        command.args(["-c", "sleep 600 & echo $!; wait"]);
        command.stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        let mut reader = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut reader, &mut line).unwrap();
        let grandchild = PathBuf::from("/proc").join(line.trim());
        assert!(grandchild.exists());
        assert!(wait(&mut child, Duration::ZERO).is_err());
        let asked = Instant::now();
        while grandchild.exists() && asked.elapsed() < GRACE {
            thread::sleep(POLL);
        }
        let state = fs::read_to_string(grandchild.join("stat")).unwrap_or_default();
        assert!(state.is_empty() || state.contains(") Z "), "{state}");
    }

    #[test]
    fn output_when_command_fails_then_error_carries_its_words() {
        let error = output(Command::new("sh").args(["-c", "echo because >&2; exit 3"]));
        assert!(error.unwrap_err().to_string().contains("because"));
    }
}
