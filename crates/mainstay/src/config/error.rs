//! What can be wrong with a configuration, each with what to do about it.

use std::io;
use std::path::{Path, PathBuf};

/// What fallible calls of this folder return.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a configuration is not usable.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The file is not there.
    #[error("there is no configuration file `{}`", .0.display())]
    Missing(PathBuf),
    /// The file cannot be read.
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is a directory.
    #[error("`{}` is a directory, not a configuration file", .0.display())]
    NoFile(PathBuf),
    /// No file of ours is so large.
    #[error("`{}` is larger than 1 MiB: it is no configuration file of Mainstay", .0.display())]
    TooLarge(PathBuf),
    /// It is no text.
    #[error("`{}` is no text: byte {at} is not UTF-8", path.display())]
    NotText {
        /// The file.
        path: PathBuf,
        /// Which byte.
        at: usize,
    },
    /// The file is no TOML, or a value has another type than its key.
    #[error("`{}` is not understood:\n{}", path.display(), text.trim_end())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's words, with the line.
        text: String,
    },
    /// A key that does not exist.
    #[error("there is no configuration key `{key}`")]
    UnknownKey {
        /// As it was typed.
        key: String,
        /// The known one that looks most like it.
        nearest: Option<String>,
    },
    /// A section's name with a plain value.
    #[error("`{0}` is a section: write `[{0}]` and its keys below it")]
    NotASection(String),
    /// A `--set` without `=`.
    #[error("`--set {0}` is no assignment")]
    NotAnAssignment(String),
    /// A value of another shape than its key's.
    #[error("`{value}` is no value for `{key}`: it takes {shape}")]
    Value {
        /// The key.
        key: String,
        /// What was typed.
        value: String,
        /// What it takes.
        shape: &'static str,
    },
    /// A value that cannot work.
    #[error("`{key}` is not usable: {why}")]
    Unusable {
        /// The key.
        key: &'static str,
        /// What is wrong with it.
        why: String,
    },
}

/// Of the parser's words, which repeat the line.
const LINE_LIMIT: usize = 160;
const LINES_LIMIT: usize = 8;

impl Error {
    /// What the parser says, cut to a length that can be read.
    pub(super) fn syntax(path: &Path, told: &str) -> Self {
        let cut = |line: &str| line.chars().take(LINE_LIMIT).collect::<String>();
        let lines: Vec<String> = told.lines().take(LINES_LIMIT).map(cut).collect();
        Self::Syntax {
            path: path.to_owned(),
            text: lines.join("\n"),
        }
    }

    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Missing(_) => {
                "make this server a node with `mainstay init` or `mainstay join`, or name its file with `--config`".to_owned()
            }
            Self::UnknownKey { nearest: Some(nearest), .. } => format!("the nearest is `{nearest}`"),
            Self::NotAnAssignment(_) => "write `--set KEY=VALUE`, as in `--set peer.port=7401`".to_owned(),
            Self::NotASection(_)
            | Self::Value { .. }
            | Self::UnknownKey { .. } => return None,
            Self::Unreadable { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => {
                "repeat the command as a user that may read it, usually root".to_owned()
            }
            Self::Unreadable { .. } | Self::NoFile(_) | Self::TooLarge(_) | Self::NotText { .. } => {
                "name the configuration file with `--config`".to_owned()
            }
            Self::Syntax { .. } => "correct that line and repeat the command".to_owned(),
            Self::Unusable { key, .. } => format!("give `{key}` another value"),
        })
    }
}

/// The candidate that takes the fewest changes to get to, if it is near enough to be meant.
pub(crate) fn nearest_of(word: &str, candidates: impl Iterator<Item = String>) -> Option<String> {
    let limit = word.chars().count() / 3 + 1;
    let rated = candidates.map(|candidate| (changes(word, &candidate), candidate));
    let best = rated.min_by_key(|(distance, _)| *distance)?;
    (best.0 <= limit).then_some(best.1)
}

/// How many letters must be put in, taken out or replaced.
fn changes(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, letter) in one.chars().take(100).enumerate() {
        let mut before = std::mem::replace(&mut row[0], line + 1);
        for (column, with) in other.iter().enumerate() {
            let replaced = before + usize::from(letter != *with);
            before = row[column + 1];
            row[column + 1] = replaced.min(before + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_when_a_letter_is_wrong_then_found_and_when_all_are_then_not() {
        let all = || {
            ["port", "hold_max", "listen"]
                .into_iter()
                .map(str::to_owned)
        };
        assert_eq!(nearest_of("prot", all()).as_deref(), Some("port"));
        assert_eq!(nearest_of("hold-max", all()).as_deref(), Some("hold_max"));
        assert_eq!(nearest_of("zzzzzzzz", all()), None);
    }
}
