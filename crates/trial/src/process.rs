//! Processes as `/proc` shows them: finding those of one node, signalling exactly those.
//! Every signal goes through a pidfd that was opened before the process was identified, so
//! that a pid used again by somebody else is never hit.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// The variable by which everything that a trial started is known; children inherit it.
pub(crate) const MARK: &str = "MAINSTAY_TRIAL";

/// The file in a node's directory that holds its mark, for processes started without an
/// inherited environment, as database servers are.
const MARK_FILE: &str = ".trial";

/// What identifies the processes of one node: the mark, or its directory on the command line.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// `OWNER.START.SERIAL/NODE`.
    pub(crate) mark: String,
    /// The node's directory, without a slash at the end.
    pub(crate) dir: String,
}

impl Identity {
    fn matches(&self, pid: i32) -> bool {
        // Why the program too: somebody may be reading a log or a table file of the node.
        let is_inside = || {
            command_line(pid)
                .iter()
                .any(|word| mentions(word, &self.dir))
        };
        has_mark(pid, |mark| mark == self.mark) || (is_database_program(pid) && is_inside())
    }
}

fn mentions(word: &str, dir: &str) -> bool {
    word.match_indices(dir).any(|(at, _)| {
        let rest = &word[at + dir.len()..];
        rest.is_empty() || rest.starts_with('/')
    })
}

fn has_mark(pid: i32, accept: impl Fn(&str) -> bool) -> bool {
    let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|entry| {
        std::str::from_utf8(entry)
            .ok()
            .and_then(|entry| entry.strip_prefix(MARK)?.strip_prefix('='))
            .is_some_and(&accept)
    })
}

fn command_line(pid: i32) -> Vec<String> {
    let bytes = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let words = bytes
        .split(|byte| *byte == 0)
        .filter(|word| !word.is_empty());
    words
        .map(|word| String::from_utf8_lossy(word).into_owned())
        .collect()
}

/// Its command line names a place below a directory of ours with such a mark.
fn lives_under_mark(pid: i32, accept: impl Fn(&str) -> bool) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let holds = |dir: &Path| {
        let file = dir.join(MARK_FILE);
        // Why the owner: anybody can leave a file somewhere that says a process is ours.
        let is_own = fs::metadata(&file).is_ok_and(|file| file.uid() == own);
        is_own && fs::read_to_string(&file).is_ok_and(|mark| accept(&mark))
    };
    command_line(pid).iter().any(|word| {
        let path = word.find('/').map(|at| Path::new(&word[at..]));
        path.is_some_and(|path| path.ancestors().any(holds))
    })
}

/// Leaves the mark in a node's directory.
pub(crate) fn mark_dir(dir: &Path, mark: &str) -> std::io::Result<()> {
    fs::write(dir.join(MARK_FILE), mark)
}

/// Takes it away: nothing of the node runs any more.
pub(crate) fn unmark_dir(dir: &Path) {
    let _ = fs::remove_file(dir.join(MARK_FILE));
}

/// The fields of `/proc/PID/stat` from the third (state) on.
fn stat(pid: i32) -> Option<Vec<String>> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the name in brackets, and a name may hold brackets and spaces.
    let rest = text.rsplit_once(')')?.1;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}

/// It runs or is stopped; a zombie does not count.
pub(crate) fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| {
        fields
            .first()
            .is_some_and(|state| !"ZX".contains(state.as_str()))
    })
}

/// It is stopped by a signal.
pub(crate) fn is_stopped(pid: i32) -> bool {
    stat(pid).is_some_and(|fields| fields.first().is_some_and(|state| state == "T"))
}

/// When it started, in clock ticks since boot: with the pid it names a process for good.
pub(crate) fn start_time(pid: i32) -> Option<u64> {
    stat(pid)?.get(19)?.parse().ok()
}

fn all() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let own = rustix::process::getpid().as_raw_nonzero().get();
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| *pid != own)
        .collect()
}

/// Every living process of a node.
pub(crate) fn of_node(node: &Identity) -> Vec<i32> {
    all()
        .into_iter()
        .filter(|pid| node.matches(*pid) && is_alive(*pid))
        .collect()
}

/// It is a MariaDB server or one of its tools.
fn is_database_program(pid: i32) -> bool {
    let line = command_line(pid);
    let name = line
        .first()
        .and_then(|program| Path::new(program).file_name()?.to_str());
    name.is_some_and(|name| {
        ["mariadb", "mysql", "mbstream"]
            .iter()
            .any(|ours| name.starts_with(ours))
    })
}

/// It is a MariaDB server (not one of its tools).
pub(crate) fn is_server(pid: i32) -> bool {
    command_line(pid).first().is_some_and(|program| {
        let name = Path::new(program)
            .file_name()
            .and_then(|name| name.to_str());
        matches!(name, Some("mariadbd" | "mysqld"))
    })
}

/// Sends a signal if the process is the node's; true if it was sent.
pub(crate) fn signal(pid: i32, node: &Identity, signal: Signal) -> bool {
    send_if(pid, signal, || node.matches(pid))
}

fn send_if(pid: i32, signal: Signal, is_ours: impl FnOnce() -> bool) -> bool {
    let Some(pid) = Pid::from_raw(pid) else {
        return false;
    };
    let Ok(handle) = pidfd_open(pid, PidfdFlags::empty()) else {
        return false;
    };
    is_ours() && pidfd_send_signal(&handle, signal).is_ok()
}

/// The mark of this process's clusters: owner, its start time, serial number.
pub(crate) fn new_mark(serial: u32) -> String {
    let pid = rustix::process::getpid().as_raw_nonzero().get();
    format!("{pid}.{}.{serial}", start_time(pid).unwrap_or(0))
}

/// Kills what earlier trials left behind whose owner is gone. Only marked processes.
pub(crate) fn sweep() {
    for pid in all() {
        let is_left = || {
            let is_inside = || is_database_program(pid) && lives_under_mark(pid, is_orphan);
            has_mark(pid, is_orphan) || is_inside()
        };
        if send_if(pid, Signal::KILL, is_left) {
            tracing::warn!(pid, "ended a process that an interrupted trial left behind");
        }
    }
}

/// This directory of a node was left behind: it has a mark, and the owner that it names has ended.
pub(crate) fn is_left_behind(dir: &Path) -> bool {
    fs::read_to_string(dir.join(MARK_FILE)).is_ok_and(|mark| is_orphan(&mark))
}

/// The owner that the mark names has ended.
fn is_orphan(mark: &str) -> bool {
    let mut parts = mark.split('/').next().unwrap_or("").split('.');
    let owner = parts.next().and_then(|pid| pid.parse::<i32>().ok());
    let started = parts.next().and_then(|time| time.parse::<u64>().ok());
    match (owner, started) {
        (Some(owner), Some(started)) => start_time(owner) != Some(started),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn node_processes_when_one_carries_its_mark_then_only_that_one_is_found_and_killed() {
        let node = Identity {
            mark: format!("{}/alpha", new_mark(9_001)),
            dir: "/none/alpha".into(),
        };
        let mut ours = Command::new("sleep")
            .arg("60")
            .env(MARK, &node.mark)
            .spawn()
            .unwrap();
        let mut other = Command::new("sleep")
            .arg("60")
            .env(MARK, "1.1.1/alpha")
            .spawn()
            .unwrap();
        let pid = i32::try_from(ours.id()).unwrap();
        let foreign = i32::try_from(other.id()).unwrap();
        while command_line(pid).first().map(String::as_str) != Some("sleep") {}
        assert_eq!(of_node(&node), vec![pid]);
        assert!(!signal(foreign, &node, Signal::KILL));
        assert!(signal(pid, &node, Signal::KILL));
        ours.wait().unwrap();
        assert!(is_alive(foreign));
        other.kill().unwrap();
        other.wait().unwrap();
    }

    #[test]
    fn directory_when_another_begins_with_the_same_letters_then_it_is_not_mistaken() {
        assert!(mentions("--datadir=/x/alpha/db", "/x/alpha"));
        assert!(mentions("/x/alpha", "/x/alpha"));
        assert!(!mentions("--datadir=/x/alpha2/db", "/x/alpha"));
    }

    #[test]
    fn process_when_it_lives_under_a_marked_directory_then_it_is_known_without_its_environment() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("x/y");
        let mut left = Command::new("tail");
        let mut left = left
            .env_clear()
            .args(["-q", "-F"])
            .arg(&below)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = i32::try_from(left.id()).unwrap();
        let is_known = || lives_under_mark(pid, |mark| mark == "1.2.3/alpha");
        assert!(!is_known());
        mark_dir(dir.path(), "1.2.3/alpha").unwrap();
        while left.try_wait().unwrap().is_none() && !is_known() {}
        assert!(is_known());
        left.kill().unwrap();
        left.wait().unwrap();
    }

    #[test]
    fn mark_when_its_owner_lives_then_it_is_no_orphan() {
        assert!(!is_orphan(&format!("{}/alpha", new_mark(1))));
        let own = rustix::process::getpid().as_raw_nonzero().get();
        assert!(is_orphan(&format!("{own}.1.1/alpha")));
        assert!(!is_orphan("nonsense"));
    }
}
