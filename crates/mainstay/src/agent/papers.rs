//! What this node's directory says of it, read and held against each other before `mainstay run`
//! writes its first byte: whatever does not fit is refused while everything is still as it was.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use ledger::Raft;
use peer::{Authority, Identity, TokenStore};

use super::lock::Lock;
use super::node::Desk;
use super::refusal;
use crate::config::Config;
use crate::output::{Failure, Result};
use crate::setup::{Record, Secrets, identity_dir, ledger_dir, replication_account};

/// A node's papers, found in order.
pub(super) struct Papers {
    pub(super) record: Record,
    pub(super) identity: Identity,
    /// None on a witness.
    pub(super) secrets: Option<Secrets>,
    /// What lets others in; none on a witness.
    pub(super) desk: Option<Desk>,
    /// None on a witness.
    pub(super) server: Option<mariadb::Server>,
}

impl Papers {
    /// Reads and checks everything that is read at the start. Changes nothing.
    pub(super) fn read(config: &Config) -> Result<Self> {
        Lock::look(config.data_dir())?;
        Self::read_alone(config)
    }

    /// The same for who has the lock already.
    pub(super) fn read_alone(config: &Config) -> Result<Self> {
        let papers = Self::read_beside(config)?;
        let store = ledger_dir(config.data_dir());
        let me = ledger_identity(&papers.identity, &papers.record);
        Raft::look(&store, &me).map_err(refusal::ledger(&store))?;
        check_address(config.peer_address())?;
        Ok(papers)
    }

    /// Reads and checks what can be while another agent runs.
    pub(super) fn read_beside(config: &Config) -> Result<Self> {
        let data_dir = config.data_dir();
        let record = Record::load(data_dir)?;
        let dir = identity_dir(data_dir);
        let identity = Identity::load(&dir)
            .map_err(refusal::identity("cannot load this node's identity", &dir))?;
        check_same(config, &record, &identity)?;
        let is_data = !config.file.node.witness;
        let secrets = is_data.then(|| Secrets::load(data_dir)).transpose()?;
        let desk = is_data.then(|| desk(&dir, &identity)).transpose()?;
        keeper::State::load(data_dir).map_err(|error| refusal::state(&error))?;
        let server = secrets
            .as_ref()
            .map(|secrets| server(config, &record, secrets))
            .transpose()?;
        Ok(Self {
            record,
            identity,
            secrets,
            desk,
            server,
        })
    }
}

/// Under which name this node takes part in the ledger.
pub(super) fn ledger_identity(identity: &Identity, record: &Record) -> ledger::Identity {
    ledger::Identity {
        cluster: identity.cluster_id().to_owned(),
        node: u64::from(record.number),
    }
}

fn desk(dir: &Path, identity: &Identity) -> Result<Desk> {
    let what = "cannot load the cluster's authority";
    let authority = Authority::load(dir).map_err(refusal::identity(what, dir))?;
    if authority.cluster_id() != identity.cluster_id() {
        return Err(
            Failure::refused("the cluster's authority is another cluster's")
                .cause(format!("`{}`", dir.display()))
                .hint(refusal::put_back(dir)),
        );
    }
    let what = "cannot read the tokens of this node";
    let tokens = TokenStore::open(dir).map_err(refusal::tokens(what, dir))?;
    Ok(Desk {
        authority: Arc::new(authority),
        tokens: Arc::new(tokens),
    })
}

fn server(config: &Config, record: &Record, secrets: &Secrets) -> Result<mariadb::Server> {
    let settings = config.server(record.number, replication_account(secrets));
    mariadb::Server::new(settings).map_err(|error| {
        Failure::new("these settings of MariaDB cannot be used")
            .cause(error)
            .hint("change them in the configuration file: `[mariadb]` and `[mariadb.options]`")
    })
}

/// The file, the record and the certificate must speak of the same node.
fn check_same(config: &Config, record: &Record, identity: &Identity) -> Result {
    let name = &config.name;
    if record.name != *name {
        return Err(Failure::refused(format!(
            "the configuration says that this node is `{name}`, its directory that it is `{}`",
            record.name
        ))
        .hint("a node cannot be renamed: put the old name back"));
    }
    if identity.node() != name.as_str() {
        return Err(Failure::refused(format!(
            "this node is `{name}`, its certificate is of `{}`",
            identity.node()
        ))
        .hint(refusal::put_back(&identity_dir(config.data_dir()))));
    }
    if record.kind != config.kind() {
        return Err(
            Failure::refused("`node.witness` was changed after this node joined")
                .hint("put it back; to change it, take the node out and let it join again"),
        );
    }
    Ok(())
}

/// The peer port can be opened here.
fn check_address(address: SocketAddr) -> Result {
    let Err(error) = TcpListener::bind(address) else {
        return Ok(());
    };
    let failure = Failure::new(format!("cannot open the peer port {address}")).cause(&error);
    Err(match error.kind() {
        io::ErrorKind::AddrNotAvailable => failure.hint(format!(
            "{} is not an address of this server now: see `ip address`, then `node.address` in the configuration",
            address.ip()
        )),
        io::ErrorKind::AddrInUse => {
            failure.hint("see `ss -ltnp` for who has it, then `peer.port` in the configuration")
        }
        _ => failure,
    })
}
