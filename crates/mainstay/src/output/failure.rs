//! A failure as people see it, the same on the terminal, in the log and over the control socket:
//! what happened, why, what to do.

use std::fmt;
use std::io;

use serde::{Deserialize, Serialize};

use super::Exit;

/// What a verb returns.
pub(crate) type Result<T = (), E = Failure> = std::result::Result<T, E>;

/// What happened, why, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// What happened; lower-case, no full stop.
    pub(crate) what: String,
    /// Why, if that is known.
    #[serde(default)]
    pub(crate) cause: Option<String>,
    /// What to do.
    #[serde(default)]
    pub(crate) hint: Option<String>,
    /// How the command ends.
    pub(crate) exit: Exit,
}

impl Failure {
    /// Something failed.
    pub(crate) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            cause: None,
            hint: None,
            exit: Exit::Failed,
        }
    }

    /// It was refused because it could lose data or break a running service.
    pub(crate) fn refused(what: impl Into<String>) -> Self {
        Self::new(what).exit(Exit::Refused)
    }

    /// The command makes no sense as it was typed.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(what).exit(Exit::Usage)
    }

    /// Adds why.
    #[must_use]
    pub(crate) fn cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Adds what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Sets how the command ends.
    #[must_use]
    pub(crate) fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }

    /// For `map_err`: as [`Failure::doing`], with a way out when the disk or the user is the reason.
    pub(crate) fn on_disk(what: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        use io::ErrorKind as Kind;
        let what = what.into();
        move |error| {
            let hint = match error.kind() {
                Kind::StorageFull | Kind::QuotaExceeded => "make room on that disk",
                Kind::ReadOnlyFilesystem => {
                    "that disk is mounted read-only: see `mount` and `dmesg`"
                }
                Kind::PermissionDenied => "repeat the command as a user that may, usually root",
                _ => "see `dmesg` for what is wrong with that disk, if it is the disk",
            };
            Self::doing(what)(error).hint(hint)
        }
    }

    /// For `map_err`: this was being done when it failed.
    pub(crate) fn doing<E: fmt::Display>(what: impl Into<String>) -> impl FnOnce(E) -> Self {
        let what = what.into();
        move |error| Self::new(format!("cannot {what}")).cause(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        self.cause
            .as_ref()
            .map_or(Ok(()), |cause| write!(f, ": {cause}"))
    }
}

impl From<crate::config::Error> for Failure {
    fn from(error: crate::config::Error) -> Self {
        let failure = Self::new(error.to_string());
        match error.hint() {
            Some(hint) => failure.hint(hint),
            None => failure,
        }
    }
}
