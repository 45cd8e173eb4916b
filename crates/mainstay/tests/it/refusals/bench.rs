//! The bench on which a node is spoiled, asked and put right again, case after case.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use super::digest::Digest;
use crate::program::{Place, said, wait};

/// A refusal reads and says; the machine may be busy.
const LIMIT: Duration = Duration::from_mins(1);
/// One readable paragraph.
const LONGEST: usize = 1_600;

/// What a refusal must be.
pub(super) struct Expected<'a> {
    /// The exit code.
    pub(super) code: i32,
    /// What happened, why and what to do, each a part of what is said.
    pub(super) said: &'a [&'a str],
}

/// A founded node that has never run, and a copy of it to start every case from.
pub(super) struct Bench {
    pub(super) place: Place,
}

impl Bench {
    /// Founds it.
    pub(super) fn new(net: u8) -> Self {
        let place = Place::new(net);
        let mut arguments = vec!["init".to_owned()];
        arguments.extend(place.options("alpha"));
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (code, _, err) = place.run(&arguments);
        assert_eq!(code, 0, "{err}");
        std::fs::create_dir(place.path("kept")).unwrap();
        for name in ["data", "mainstay.toml"] {
            copy(&place.path(name), &place.path("kept"));
        }
        Self { place }
    }

    pub(super) fn data(&self, name: &str) -> PathBuf {
        self.place.path("data").join(name)
    }

    /// Puts the node back as it was founded.
    pub(super) fn restore(&self) {
        let _ = std::fs::remove_dir_all(self.place.path("data"));
        let config = self.place.config();
        let _ = std::fs::remove_dir(&config);
        let _ = std::fs::remove_file(&config);
        for name in ["data", "mainstay.toml"] {
            copy(
                &self.place.path("kept").join(name),
                self.place.path("").as_path(),
            );
        }
    }

    /// Spoils the node, and `mainstay run` must refuse.
    pub(super) fn run_refuses(&self, case: &str, spoil: impl FnOnce(), expected: &Expected<'_>) {
        self.restore();
        spoil();
        refuses(case, &self.place, self.place.program(&["run"]), expected);
    }

    /// Replaces a part of the configuration file, and `mainstay run` must refuse.
    pub(super) fn config_refuses(&self, case: &str, edit: (&str, &str), expected: &Expected<'_>) {
        let change = || {
            let text = std::fs::read_to_string(self.place.config()).unwrap();
            assert!(text.contains(edit.0), "{case}: {text}");
            std::fs::write(self.place.config(), text.replacen(edit.0, edit.1, 1)).unwrap();
        };
        self.run_refuses(case, change, expected);
    }
}

/// Runs the command in this place: it must refuse as expected and leave the place as it is.
pub(super) fn refuses(case: &str, place: &Place, command: Command, expected: &Expected<'_>) {
    let difference = refused(case, place, command, expected);
    assert!(difference.is_empty(), "{case} changed {difference:#?}");
}

/// As [`refuses`] for what only the cluster can refuse: before it is asked a key is kept in a directory of its
/// own, and taken away again after, so that the time of the directory above differs and nothing else.
pub(super) fn refuses_when_asked(
    case: &str,
    place: &Place,
    command: Command,
    expected: &Expected<'_>,
) {
    let mut difference = refused(case, place, command, expected);
    let above = format!("{}: ", place.path("").display());
    difference.retain(|line| !line.starts_with(&above));
    assert!(difference.is_empty(), "{case} changed {difference:#?}");
}

/// What differs after the command has refused as expected.
fn refused(case: &str, place: &Place, command: Command, expected: &Expected<'_>) -> Vec<String> {
    let before = Digest::of(&place.path(""));
    let (code, out, err) = said(&ended(case, command));
    let difference = before.difference(&Digest::of(&place.path("")));
    assert_eq!((code, out.as_str()), (expected.code, ""), "{case}: {err}");
    readable(case, &err);
    for part in expected.said {
        assert!(err.contains(part), "{case}: no `{part}` in:\n{err}");
    }
    difference
}

/// One paragraph of what, why and what to do; no panic, no backtrace.
pub(super) fn readable(case: &str, err: &str) {
    assert!(err.starts_with("error: "), "{case}: {err}");
    assert!(err.contains("\n  hint: "), "{case} says no way out: {err}");
    assert!(err.len() < LONGEST, "{case} says {} bytes", err.len());
    for word in ["panicked", "backtrace", "RUST_", "unwrap", "BEGIN PRIVATE"] {
        assert!(!err.contains(word), "{case}: {err}");
    }
}

/// The output of a command that must end by itself.
pub(super) fn ended(case: &str, mut command: Command) -> Output {
    let mut child = command
        // Why: also whoever wants backtraces gets none for what is not a bug.
        .env("RUST_BACKTRACE", "1")
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let _pid = Ended(child.id());
    wait(&format!("{case}: it ends"), LIMIT, || {
        child.try_wait().unwrap().is_some()
    });
    child.wait_with_output().unwrap()
}

/// Kills what did not end when the test fails.
struct Ended(u32);

impl Drop for Ended {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let pid = i32::try_from(self.0).unwrap_or_default();
            crate::program::signal(pid, rustix::process::Signal::KILL);
        }
    }
}

/// With everything: modes, owners, times.
pub(super) fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").args([from, to]).status();
    assert!(copied.unwrap().success());
}

/// Replaces the first occurrence in a file that has one.
pub(super) fn edit(path: &Path, from: &str, to: &str) {
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains(from), "{}: {text}", path.display());
    std::fs::write(path, text.replacen(from, to, 1)).unwrap();
}

/// Keeps the first bytes of a file.
pub(super) fn cut(path: &Path, length: u64) {
    let file = std::fs::File::options().write(true).open(path).unwrap();
    file.set_len(length).unwrap();
}

/// Sets the permission bits.
pub(super) fn chmod(path: &Path, mode: u32) {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
    std::fs::set_permissions(path, mode).unwrap();
}
