//! `init`: the first node of a new cluster.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cluster::{Member, MemberKind};
use ledger::{Raft, Register, Voter};
use peer::Authority;
use toml::Table;

use super::check::{self, Found};
use super::plan::Plan;
use super::{Record, Secrets, files, identity_dir, ledger_dir, mask, place, replication_account};
use crate::config::Config;
use crate::output::{Failure, Result};

/// The founder's number.
const NUMBER: u32 = 1;

/// A cluster about to be founded: everything has been checked, nothing touched.
pub(crate) struct Founding<'a> {
    path: &'a Path,
    table: Table,
    config: Config,
    cluster: String,
    secrets: Secrets,
    server: mariadb::Server,
    found: Found,
}

impl<'a> Founding<'a> {
    /// Checks everything.
    pub(crate) async fn prepare(
        path: &'a Path,
        (table, config): (Table, Config),
        cluster: String,
    ) -> Result<Self> {
        if config.file.node.witness {
            return Err(Failure::usage(
                "the first node of a cluster holds data: it cannot be a witness",
            ));
        }
        check::vacant(path, &config)?;
        let secrets = Secrets::random()?;
        let settings = config.server(NUMBER, replication_account(&secrets));
        let server = mariadb::Server::new(settings).map_err(|e| Failure::usage(e.to_string()))?;
        check::server(&server, &config).await?;
        let found = check::database(&config)?;
        check::room(config.data_dir(), check::OWN_ROOM)?;
        if found == Found::Nothing {
            check::room(config.database_dir(), check::DATABASE_ROOM)?;
        }
        check::ports(&config)?;
        Ok(Self {
            path,
            table,
            config,
            cluster,
            secrets,
            server,
            found,
        })
    }

    /// What it would touch.
    pub(crate) fn plan(&self) -> Plan {
        let mut plan = Plan::default();
        let (config, dir) = (&self.config, self.config.data_dir().display());
        let database = config.database_dir().display();
        plan.step(format!(
            "make `{dir}`: identity, ledger and secrets of the cluster `{}`",
            self.cluster
        ));
        plan.step(match self.found {
            Found::Nothing => format!("make a new, empty MariaDB in `{database}`"),
            Found::Data => format!("adopt the MariaDB data in `{database}`; it stays where it is"),
        });
        if let Some(mask) = mask::needed(config.database_dir()) {
            plan.step(format!(
                "mask the distribution's MariaDB service: `{}`",
                mask.display()
            ));
        }
        plan.step(format!("write the configuration `{}`", self.path.display()));
        let port = config.file.mariadb.port;
        plan.step(format!(
            "nothing is started; `mainstay run` will start MariaDB on 127.0.0.1:{port}"
        ));
        plan
    }
}

/// Founds the cluster.
pub(crate) async fn found(founding: Founding<'_>) -> Result {
    let Founding {
        path,
        table,
        config,
        cluster,
        secrets,
        server,
        found,
    } = founding;
    let data_dir = config.data_dir();
    // Why not 0700: MariaDB's own user must pass through to its socket; every secret is 0600.
    files::make_dir(data_dir, 0o711)?;
    let mark = check::unfinished(data_dir);
    files::write(&mark, "", 0o600)?;
    secrets.save(data_dir)?;
    let authority = Authority::create(&cluster).map_err(|e| Failure::usage(e.to_string()))?;
    let failed = Failure::doing::<peer::Error>;
    let identity = authority
        .enroll(config.name.as_str())
        .map_err(failed("make a certificate"))?;
    let dir = identity_dir(data_dir);
    authority
        .save(&dir)
        .map_err(failed("save the cluster's authority"))?;
    identity
        .save(&dir)
        .map_err(failed("save this node's identity"))?;
    if found == Found::Nothing {
        server
            .create_data()
            .await
            .map_err(Failure::doing("make the database"))?;
    }
    found_ledger(&config, identity.cluster_id()).await?;
    if let Some(mask) = mask::needed(config.database_dir()) {
        mask::put(&mask)?;
    }
    if let Some(parent) = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
    {
        files::make_dir(parent, 0o755)?;
    }
    files::write(path, &place::file_text(&table)?, 0o644)?;
    Record::new(config.name.clone(), NUMBER, MemberKind::Data).save(data_dir)?;
    files::remove(&mark)
}

async fn found_ledger(config: &Config, cluster_id: &str) -> Result {
    let data_dir = config.data_dir();
    let dir = ledger_dir(data_dir);
    // Why: only an interrupted `init` can have left one here, and its database may have another id.
    if dir.exists() {
        std::fs::remove_dir_all(&dir)
            .map_err(Failure::doing(format!("remove `{}`", dir.display())))?;
    }
    files::make_dir(&dir, 0o700)?;
    let state = keeper::State::founder().map_err(Failure::doing("make the node's state"))?;
    state
        .save(data_dir)
        .map_err(Failure::doing("save the node's state"))?;
    let me = ledger::Identity {
        cluster: cluster_id.to_owned(),
        node: u64::from(NUMBER),
    };
    let address = config.peer_address();
    let failed = || Failure::doing::<ledger::Error>("found the ledger");
    let opened = Raft::open(&dir, me, Arc::new(Nobody), ledger::Timing::default()).await;
    let raft = Arc::new(opened.map_err(failed())?);
    let voter = Voter {
        name: config.name.to_string(),
        address: address.to_string(),
        witness: false,
        running: true,
    };
    raft.found(voter).await.map_err(failed())?;
    let register: Arc<dyn Register> = raft.clone();
    let written = keeper::found(register, config.name.clone(), member(address), state.data).await;
    raft.stop().await;
    written.map_err(Failure::doing("write the ledger's first document"))
}

fn member(address: SocketAddr) -> Member {
    Member {
        address: address.to_string(),
        number: NUMBER,
        kind: MemberKind::Data,
        far: false,
        priority: 0,
    }
}

/// A founder has nobody to talk to.
struct Nobody;

#[async_trait]
impl ledger::Transport for Nobody {
    async fn call(&self, _: u64, _: &str, _: Vec<u8>, _: Duration) -> io::Result<Vec<u8>> {
        Err(io::ErrorKind::NotConnected.into())
    }
}
