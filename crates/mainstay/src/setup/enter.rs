//! `join`: a server becomes a node of a running cluster. The data itself comes with the first `run`.
//! After any failure the same command may be repeated: the same key asks again.

use std::path::Path;
use std::time::Duration;

use cluster::MemberKind;
use peer::{Applicant, Authority, JoinRequest, Kind, Token};
use toml::Table;

use super::check::{self, Found};
use super::plan::Plan;
use super::{
    Application, Record, Secrets, Welcome, files, identity_dir, mask, place, replication_account,
    welcome,
};
use crate::config::Config;
use crate::output::{Exit, Failure, Result};

/// For each address of the token: the other node may have to ask the ledger.
const LIMIT: Duration = Duration::from_secs(30);

/// A node about to enter: everything that can be checked here has been, nothing touched.
pub(crate) struct Entry<'a> {
    path: &'a Path,
    table: Table,
    config: Config,
    token: Token,
    replaced: Option<std::path::PathBuf>,
}

impl<'a> Entry<'a> {
    /// Checks everything. `replace_data`: what is in the database directory may be moved aside.
    pub(crate) async fn prepare(
        path: &'a Path,
        (table, config): (Table, Config),
        token: &str,
        replace_data: bool,
    ) -> Result<Self> {
        let token: Token = token
            .trim()
            .parse()
            .map_err(|error| token_failure(&error))?;
        let wanted = kind(&config);
        if token.kind != wanted {
            let error = peer::Error::TokenKind {
                expected: token.kind,
                asked: wanted,
            };
            return Err(token_failure(&error));
        }
        check::vacant(path, &config)?;
        let mut replaced = None;
        if wanted == Kind::Data {
            // Why a stand-in: the settings are checked before the cluster gives the real one.
            let settings = config.server(u32::MAX, replication_account(&Secrets::random()?));
            let server =
                mariadb::Server::new(settings).map_err(|e| Failure::usage(e.to_string()))?;
            check::server(&server, &config).await?;
            if check::database(&config)? == Found::Data {
                replaced = Some(aside(config.database_dir(), replace_data)?);
            }
        }
        check::room(config.data_dir(), check::OWN_ROOM)?;
        if wanted == Kind::Data {
            check::room(config.database_dir(), check::DATABASE_ROOM)?;
        }
        check::ports(&config)?;
        Ok(Self {
            path,
            table,
            config,
            token,
            replaced,
        })
    }

    /// What it would touch.
    pub(crate) fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        let config = &self.config;
        let issuer = &self.token.issuer;
        plan.step(format!(
            "make `{}`: identity and secrets of this node",
            config.data_dir().display()
        ));
        plan.step(format!(
            "ask `{issuer}` to take this server in as `{}`",
            config.name
        ));
        if let Some(aside) = &self.replaced {
            let (from, to) = (config.database_dir().display(), aside.display());
            plan.step(format!("move the data in `{from}` aside to `{to}`"));
        }
        if let Some(mask) = self.mask() {
            plan.step(format!(
                "mask the distribution's MariaDB service: `{}`",
                mask.display()
            ));
        }
        plan.step(format!("write the configuration `{}`", self.path.display()));
        plan.step(if config.file.node.witness {
            "nothing is started; `mainstay run` will start to vote".to_owned()
        } else {
            format!(
                "nothing is started; `mainstay run` will copy the cluster's data to `{}`",
                config.database_dir().display()
            )
        });
        plan
    }

    fn mask(&self) -> Option<std::path::PathBuf> {
        let is_data = !self.config.file.node.witness;
        is_data
            .then(|| mask::needed(self.config.database_dir()))
            .flatten()
    }
}

/// Where the present data go.
fn aside(dir: &Path, is_allowed: bool) -> Result<std::path::PathBuf> {
    if !is_allowed {
        return Err(Failure::refused(format!("`{}` holds data", dir.display())).hint(
            "a joining node gets a copy of the cluster's data; `--replace-data` moves what is there aside",
        ));
    }
    let aside = mariadb::aside_of(dir);
    if aside.exists() {
        return Err(Failure::refused(format!(
            "`{}` is there from an earlier time",
            aside.display()
        ))
        .hint("look at it and move it away"));
    }
    Ok(aside)
}

fn kind(config: &Config) -> Kind {
    match config.kind() {
        MemberKind::Data => Kind::Data,
        MemberKind::Witness => Kind::Witness,
    }
}

/// Enters the cluster; returns its name and this node's number.
pub(crate) async fn enter(entry: Entry<'_>) -> Result<(String, u32)> {
    let mask = entry.mask();
    let Entry {
        path,
        table,
        config,
        token,
        replaced,
    } = entry;
    let data_dir = config.data_dir();
    let traces = Traces::before(data_dir);
    files::make_dir(data_dir, 0o711)?;
    let mark = check::unfinished(data_dir);
    files::write(&mark, "", 0o600)?;
    let dir = identity_dir(data_dir);
    let failed = Failure::doing::<peer::Error>;
    let applicant =
        Applicant::load_or_create(&dir, config.name.as_str()).map_err(failed("make a key"))?;
    let application = Application {
        version: welcome::VERSION,
        address: config.peer_address().to_string(),
        program: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let request = JoinRequest {
        name: config.name.to_string(),
        csr: applicant.csr().to_owned(),
        kind: kind(&config),
        payload: serde_json::to_value(&application)
            .map_err(Failure::doing("write the application"))?,
    };
    let answer = match peer::join(&token, request, LIMIT).await {
        Ok(answer) => answer,
        Err(error) => {
            if is_decided(&error, &token) {
                traces.remove(data_dir);
            }
            return Err(token_failure(&error));
        }
    };
    let identity = applicant
        .into_identity(&answer.certificate, &answer.authority)
        .map_err(failed("use the certificate"))?;
    let welcome: Welcome = serde_json::from_value(answer.payload)
        .map_err(Failure::doing("read the cluster's answer"))?;
    identity
        .save(&dir)
        .map_err(failed("save this node's identity"))?;
    settle(&config, &welcome)?;
    if let Some(aside) = replaced {
        let moving = Failure::doing(format!("move the data aside to `{}`", aside.display()));
        mariadb::put_aside(config.database_dir()).map_err(moving)?;
    }
    if let Some(mask) = mask {
        mask::put(&mask)?;
    }
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        files::make_dir(parent, 0o755)?;
    }
    files::write(path, &place::file_text(&table)?, 0o644)?;
    let mut record = Record::new(config.name.clone(), welcome.number, config.kind());
    record.introduced = welcome.members;
    record.save(data_dir)?;
    files::remove(&mark)?;
    Applicant::forget(&dir);
    Ok((welcome.cluster, welcome.number))
}

/// What was there before this join: a refused one leaves nothing behind.
struct Traces {
    is_first: bool,
    is_new: bool,
}

impl Traces {
    fn before(data_dir: &Path) -> Self {
        Self {
            is_first: !check::unfinished(data_dir).exists(),
            is_new: !data_dir.exists(),
        }
    }

    /// Takes away what this join made, and only that. Best effort: what stays hinders nobody.
    fn remove(&self, data_dir: &Path) {
        if !self.is_first {
            return;
        }
        let dir = identity_dir(data_dir);
        Applicant::forget(&dir);
        let _ = std::fs::remove_dir(&dir);
        let _ = files::remove(&check::unfinished(data_dir));
        if self.is_new {
            let _ = std::fs::remove_dir(data_dir);
        }
    }
}

/// The cluster cannot have let this key in: it is of no more use.
fn is_decided(error: &peer::Error, token: &Token) -> bool {
    use peer::Error as E;
    match error {
        E::TokenUsed { .. }
        | E::TokenExpired { .. }
        | E::TokenForeign
        | E::TokenUnknown
        | E::TokenAttempts
        | E::TokenKind { .. }
        | E::WrongPeer { .. }
        | E::Refused { .. } => true,
        // Why only then: at another address the question may have arrived.
        E::Connect { .. } => token.addresses.len() == 1,
        _ => false,
    }
}

/// Keeps what the cluster gave.
fn settle(config: &Config, welcome: &Welcome) -> Result {
    let data_dir = config.data_dir();
    if let Some(copy) = &welcome.authority {
        let authority =
            Authority::from_copy(copy).map_err(Failure::doing("read the cluster's authority"))?;
        let saved = authority.save(&identity_dir(data_dir));
        saved.map_err(Failure::doing("save the cluster's authority"))?;
    }
    if let Some(password) = &welcome.replication_password {
        Secrets::of(password.clone()).save(data_dir)?;
    }
    let state = keeper::State::fresh().map_err(Failure::doing("make the node's state"))?;
    state
        .save(data_dir)
        .map_err(Failure::doing("save the node's state"))
}

/// What is wrong with a token, and what to do about it.
fn token_failure(error: &peer::Error) -> Failure {
    use peer::Error as E;
    let failure = Failure::new(error.to_string());
    match error {
        E::MistypedToken(_) | E::TokenVersion => {
            failure.exit(Exit::Usage).hint("copy the whole line that `mainstay token` printed")
        }
        E::TokenKind { expected: Kind::Witness, .. } => {
            failure.exit(Exit::Usage).hint("add `--witness`, or use a token of plain `mainstay token`")
        }
        E::TokenKind { .. } => {
            failure.exit(Exit::Usage).hint("use a token of `mainstay token --witness`")
        }
        E::TokenUsed { .. }
        | E::TokenExpired { .. }
        | E::TokenAttempts
        | E::TokenForeign
        | E::TokenUnknown
        | E::WrongPeer { .. } => {
            failure.hint("make a new token on a data node of the cluster: `mainstay token`")
        }
        E::Connect { .. } | E::Timeout { .. } => failure.hint(
            "the agent there must run and its peer port must be reachable from here; the same command may be repeated",
        ),
        E::Refused { .. } => Failure::refused(error.to_string())
            .hint("`mainstay status` on a node of the cluster shows who is in it; join under another name or address"),
        _ => failure.hint("the same command may be repeated"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_failures_when_they_differ_then_so_do_their_words_and_codes() {
        let failures = [
            peer::Error::MistypedToken("the checksum does not fit"),
            peer::Error::TokenVersion,
            peer::Error::TokenKind {
                expected: Kind::Witness,
                asked: Kind::Data,
            },
            peer::Error::TokenKind {
                expected: Kind::Data,
                asked: Kind::Witness,
            },
            peer::Error::TokenUsed {
                by: "bravo".to_owned(),
            },
            peer::Error::TokenExpired {
                at: jiff::Timestamp::UNIX_EPOCH,
            },
            peer::Error::TokenForeign,
            peer::Error::TokenUnknown,
            peer::Error::TokenAttempts,
        ]
        .map(|error| token_failure(&error));
        let words: std::collections::BTreeSet<&str> =
            failures.iter().map(|f| f.what.as_str()).collect();
        assert_eq!(words.len(), failures.len());
        let codes: Vec<u8> = failures.iter().map(|failure| failure.exit.code()).collect();
        assert_eq!(codes, [2, 2, 2, 2, 1, 1, 1, 1, 1]);
    }

    #[test]
    fn data_when_a_node_joins_over_it_then_moved_aside_only_by_permission_and_never_over_older() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("db");
        assert_eq!(aside(&place, false).unwrap_err().exit, Exit::Refused);
        let to = aside(&place, true).unwrap();
        assert_eq!(to, dir.path().join("db.before-join"));
        std::fs::create_dir(&to).unwrap();
        assert!(aside(&place, true).is_err());
    }
}
