//! `cargo xtask stories`, and the gate's step of that name: each story in a process of its own,
//! with its time and how it ended. What a story says is shown when it is over.

mod told;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::gate::{MINUTE, build, in_words};
use crate::metadata::{self, Member};
use crate::weather;
use crate::{process, wordpress};

use told::{End, Told, cause, conclude, own_words, word};

/// The crate whose tests are the stories.
const STORIES: &str = "e2e";
/// How long one story may take.
const LIMIT: Duration = Duration::from_mins(10);
const LONG_LIMIT: Duration = Duration::from_hours(1);
/// What a story says that cannot be told here.
const SKIPPED: &str = ": skipped, ";

/// Where the nodes of a story live; the word that the stories understand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Namespaces,
    Loopback,
}

impl Layout {
    fn word(self) -> &'static str {
        match self {
            Self::Namespaces => "namespaces",
            Self::Loopback => "loopback",
        }
    }

    /// Namespaces for the administrator.
    fn best() -> Self {
        if process::is_root() {
            Self::Namespaces
        } else {
            Self::Loopback
        }
    }
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wish {
    layouts: Vec<Layout>,
    is_long: bool,
    /// Those that only took too long are told once more: as the gate does it.
    is_patient: bool,
    /// Parts of names; all stories when empty.
    filters: Vec<String>,
}

/// `cargo xtask stories [--all] [--long] [PART]...`.
///
/// # Errors
/// When a story fails, or the build does.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    tell(&wish(arguments)?)
}

/// Every story once, in the better layout.
///
/// # Errors
/// The same.
pub(crate) fn gate() -> Result<()> {
    tell(&Wish {
        is_patient: true,
        ..wish(&[])?
    })
}

fn wish(arguments: &[String]) -> Result<Wish> {
    let mut wish = Wish {
        layouts: vec![Layout::best()],
        is_long: false,
        is_patient: false,
        filters: Vec::new(),
    };
    for argument in arguments {
        match argument.as_str() {
            "--all" if process::is_root() => {
                wish.layouts = vec![Layout::Namespaces, Layout::Loopback];
            }
            "--all" => bail!("network namespaces need root: `--all` tells stories in both layouts"),
            "--long" => wish.is_long = true,
            option if option.starts_with('-') => {
                bail!("`cargo xtask stories` takes `--all`, `--long` and parts of names")
            }
            part => wish.filters.push(part.to_owned()),
        }
    }
    Ok(wish)
}

fn tell(wish: &Wish) -> Result<()> {
    let metadata = metadata::read()?;
    let target = PathBuf::from(&metadata.target_dir);
    let mut program = build(&["build", "--quiet", "--package", "mainstay", "--locked"])?;
    process::run(&mut program, 20 * MINUTE)?;
    let binaries = binaries(&metadata.members)?;
    let mut all = Vec::new();
    for layout in &wish.layouts {
        for binary in &binaries {
            for name in names(binary, &wish.filters)? {
                let mut told = tell_one(binary, &name, *layout, wish, &target)?;
                println!("{:<8}{:>10}  {name}", word(told.end), in_words(told.time));
                let again = all.iter().filter(|told: &&Told| told.end == End::Flaky);
                if wish.is_patient && told.is_slow() && again.count() < weather::MOST {
                    told = tell_one(binary, &name, *layout, wish, &target)?.once_more(told.why);
                    println!("{:<8}{:>10}  {name}", word(told.end), in_words(told.time));
                }
                all.push(told);
            }
        }
    }
    conclude(&all)
}

/// Builds the test binaries of the stories; where they are.
fn binaries(members: &[Member]) -> Result<Vec<PathBuf>> {
    let own: Vec<&String> = members
        .iter()
        .filter(|member| member.name == STORIES)
        .flat_map(|member| &member.test_targets)
        .collect();
    let mut compile = build(&["test", "--quiet", "--no-run", "--locked"])?;
    compile.args(["--message-format", "json-render-diagnostics"]);
    compile.args(select(members));
    let messages = process::output(&mut compile)?;
    let found = executables(&messages, &own);
    if found.len() != own.len() {
        bail!("built {} of {} binaries of stories", found.len(), own.len());
    }
    Ok(found)
}

/// The executables of these test targets in cargo's messages.
pub(crate) fn executables(messages: &str, targets: &[&String]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for line in messages.lines() {
        let Ok(message) = serde_json::from_str::<serde_json::Value>(line) else {
            continue;
        };
        let name = message["target"]["name"].as_str().unwrap_or_default();
        let mut kinds = message["target"]["kind"].as_array().into_iter().flatten();
        let is_test = kinds.any(|kind| kind == "test");
        if let Some(path) = message["executable"].as_str()
            && is_test
            && targets.iter().any(|target| *target == name)
        {
            found.push(PathBuf::from(path));
        }
    }
    found
}

/// The arguments that make cargo build the stories and nothing else.
///
/// Why: with `--package e2e` alone cargo would choose other features for shared libraries and
/// build half of them a second time; selecting its test binaries by name avoids that.
fn select(members: &[Member]) -> Vec<String> {
    let own: Vec<&String> = members
        .iter()
        .filter(|member| member.name == STORIES)
        .flat_map(|member| &member.test_targets)
        .collect();
    let others = members.iter().filter(|member| member.name != STORIES);
    let is_shared = others
        .flat_map(|member| &member.test_targets)
        .any(|name| own.contains(&name));
    if own.is_empty() || is_shared {
        return vec!["--package".to_owned(), STORIES.to_owned()];
    }
    let named = own
        .into_iter()
        .flat_map(|name| ["--test".to_owned(), name.clone()]);
    std::iter::once("--workspace".to_owned())
        .chain(named)
        .collect()
}

/// The names of a binary's stories that hold one of these parts.
fn names(binary: &Path, filters: &[String]) -> Result<Vec<String>> {
    let list = process::output(Command::new(binary).args(["--list", "--format", "terse"]))?;
    let all = list.lines().filter_map(|line| line.strip_suffix(": test"));
    let is_wished =
        |name: &&str| filters.is_empty() || filters.iter().any(|part| name.contains(part.as_str()));
    Ok(all.filter(is_wished).map(str::to_owned).collect())
}

/// Tells one; shows what it said: its own lines, or everything when it failed.
fn tell_one(binary: &Path, name: &str, layout: Layout, wish: &Wish, target: &Path) -> Result<Told> {
    let log = target.join("story.log");
    let file = File::create(&log).with_context(|| format!("create `{}`", log.display()))?;
    let mut command = Command::new(binary);
    command
        .args(["--exact", name, "--nocapture", "--test-threads", "1"])
        .current_dir(process::root())
        .env("MAINSTAY_BIN", target.join("debug/mainstay"))
        .env("MAINSTAY_STORY_LAYOUT", layout.word())
        // What went wrong is in the words of the story; frames of the test harness only bury them.
        .env("RUST_BACKTRACE", "0")
        .stderr(file.try_clone()?)
        .stdout(file);
    if wish.is_long {
        command.env("MAINSTAY_STORY_LONG", "1");
    }
    if name.starts_with("wordpress") {
        match wordpress::unpacked() {
            Ok(files) => drop(command.env(wordpress::VARIABLE, files)),
            Err(error) => eprintln!("note: there is no WordPress: {error:#}"),
        }
    }
    let limit = if wish.is_long { LONG_LIMIT } else { LIMIT };
    let started = Instant::now();
    let ended = process::finish(&mut command, limit);
    let time = started.elapsed();
    let said = fs::read(&log).unwrap_or_default();
    let said = String::from_utf8_lossy(&said);
    let is_good = ended.as_ref().is_ok_and(std::process::ExitStatus::success);
    let own: Vec<&str> = said.lines().filter_map(own_words).collect();
    for line in &own {
        println!("{line}");
    }
    let mut why = String::new();
    let end = if !is_good {
        println!("{said}");
        why = cause(&said);
        if let Err(error) = ended {
            println!("{error:#}");
        }
        End::Failed
    } else if own.iter().any(|line| line.contains(SKIPPED)) {
        End::Skipped
    } else {
        End::Passed
    };
    Ok(Told {
        name: name.to_owned(),
        layout,
        end,
        time,
        why,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn select_when_names_are_their_own_then_only_those_binaries() {
        let member = |name: &str, tests: &[&str]| Member {
            name: name.to_owned(),
            test_targets: words(tests),
            ..Member::default()
        };
        let apart = [
            member("e2e", &["failover", "rejoin"]),
            member("peer", &["it"]),
        ];
        assert_eq!(
            select(&apart),
            ["--workspace", "--test", "failover", "--test", "rejoin"]
        );
        let shared = [member("e2e", &["it"]), member("peer", &["it"])];
        assert_eq!(select(&shared), ["--package", "e2e"]);
        assert_eq!(select(&[member("e2e", &[])]), ["--package", "e2e"]);
    }

    #[test]
    fn executables_when_other_targets_are_built_too_then_only_the_stories_are_taken() {
        let messages = r#"{"reason":"compiler-artifact","target":{"name":"stories","kind":["test"]},"executable":"/t/stories-1"}
{"reason":"compiler-artifact","target":{"name":"proof","kind":["bin"]},"executable":"/t/proof"}
{"reason":"compiler-artifact","target":{"name":"stories","kind":["lib"]},"executable":null}
not json"#;
        let target = "stories".to_owned();
        let found = executables(messages, &[&target]);
        assert_eq!(found, [PathBuf::from("/t/stories-1")]);
    }

    #[test]
    fn wish_when_words_are_given_then_options_and_parts_are_told_apart() {
        let asked = wish(&words(&["--long", "disk", "chaos"])).unwrap();
        assert!(asked.is_long);
        assert_eq!(asked.filters, ["disk", "chaos"]);
        assert_eq!(asked.layouts, [Layout::best()]);
        assert!(wish(&words(&["--quick"])).is_err());
    }
}
