//! What to do about papers that are not in order: the crates below say what happened and why, and
//! only here is it known what a person can do about it.

use std::path::{Path, PathBuf};

use crate::output::{Exit, Failure};

/// Where to get files from that only this node has.
pub(super) fn put_back(path: &Path) -> String {
    format!(
        "put `{}` back from a copy of this server; without one let it join anew as another node, with another `--data-dir`",
        path.display()
    )
}

/// About certificates and keys.
pub(super) fn identity(
    what: &'static str,
    dir: &Path,
) -> impl FnOnce(peer::Error) -> Failure + use<> {
    let dir = dir.to_owned();
    move |error| of_peer(what, &error, put_back(&dir))
}

/// About the tokens that this node has issued.
pub(super) fn tokens(
    what: &'static str,
    dir: &Path,
) -> impl FnOnce(peer::Error) -> Failure + use<> {
    let path = dir.join("tokens.json");
    let way_out = format!(
        "move `{}` away: tokens that were not used yet are lost, `mainstay token` makes new ones",
        path.display()
    );
    move |error| of_peer(what, &error, way_out)
}

fn of_peer(what: &str, error: &peer::Error, way_out: String) -> Failure {
    use peer::Error as E;
    let failure = Failure::new(what).cause(error);
    match error {
        E::Permissions { path, .. } => failure
            .exit(Exit::Refused)
            .hint(format!("`chmod 600 {}`", path.display())),
        E::Foreign { .. } => failure.exit(Exit::Refused).hint(way_out),
        E::Newer { .. } => newer(failure),
        _ => failure.hint(way_out),
    }
}

/// About the state file.
pub(super) fn state(error: &keeper::Error) -> Failure {
    let failure = Failure::new("cannot read this node's state").cause(error);
    match error {
        keeper::Error::NewerState { .. } => newer(failure),
        keeper::Error::State { path, .. } => failure.hint(format!(
            "`{}` says what this node's data are worth and must not be made up: {}",
            path.display(),
            put_back(path)
        )),
        _ => failure,
    }
}

/// About this node's part of the ledger.
pub(super) fn ledger(dir: &Path) -> impl FnOnce(ledger::Error) -> Failure + use<> {
    use ledger::Error as E;
    let dir: PathBuf = dir.to_owned();
    move |error| {
        let failure = Failure::new("cannot open this node's part of the ledger").cause(&error);
        match error {
            E::ForeignStore { .. } => failure.exit(Exit::Refused).hint(put_back(&dir)),
            E::NewerFormat { .. } => newer(failure),
            E::StoreDamaged { .. } => failure.hint(format!(
                "if the other nodes run, move `{}` away and start again: they give this node a new copy; if this is the only node, put it back from a copy of this server",
                dir.display()
            )),
            _ => failure,
        }
    }
}

/// About whatever a later version has written.
pub(super) fn newer(failure: Failure) -> Failure {
    failure
        .exit(Exit::Refused)
        .hint("run the version of Mainstay that wrote it, or a later one")
}
