//! What this node consists of: opened once at the start, shared by every service.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use cluster::{Gate, NodeName};
use keeper::Picture;
use ledger::Raft;
use peer::tunnel::{Admissions, Upstream};
use peer::{Authority, Endpoint, Identity, JoinDesk, TokenStore};
use sql_gateway::{Carrier, Inherited};
use tokio::sync::watch;

use super::directory::Directory;
use super::guide::Guide;
use super::handover::Followers;
use super::outcomes::Outcomes;
use super::papers::{Papers, ledger_identity};
use super::refusal;
use super::transport::PeerTransport;
use crate::config::Config;
use crate::output::{Failure, Result};
use crate::setup::{Secrets, ledger_dir};
use crate::status::Status;

/// This node.
pub(super) struct Node {
    pub(super) config: Config,
    /// None on a witness: it has no server and lets nobody in.
    pub(super) secrets: Option<Secrets>,
    pub(super) identity: Arc<Identity>,
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) directory: Arc<Directory>,
    pub(super) raft: Arc<Raft>,
    pub(super) server: Option<mariadb::Server>,
    pub(super) upstream: Option<Arc<Upstream>>,
    pub(super) admissions: Arc<Admissions>,
    /// What lets others in; none on a witness.
    pub(super) desk: Option<Desk>,
    /// The keeper that lives now.
    pub(super) keeper: Slot<keeper::Handle>,
    /// The gateway that lives now.
    pub(super) gateway: Slot<sql_gateway::Handle>,
    /// What became of writes in flight, where this node's server is the primary.
    pub(super) outcomes: Outcomes,
    /// What the gateway does; a new keeper is told at once.
    pub(super) gate: watch::Sender<Gate>,
    /// What the keeper believes; none before its first word. It outlives keepers.
    pub(super) picture: watch::Sender<Option<Arc<Picture>>>,
    /// What the gateway goes by.
    pub(super) guide: watch::Sender<Guide>,
    /// The configuration as far as it is followed; what was not reloaded is as in `config`.
    pub(super) settings: watch::Sender<Arc<Config>>,
    /// Listening sockets from the process before this one, until a gateway takes them.
    pub(super) inherited: Mutex<Inherited>,
    /// Old processes whose connections go on.
    pub(super) followers: Followers,
    /// Connections of other nodes' gateways to this node's server.
    pub(super) carried: Arc<AtomicUsize>,
    /// Who carries them; none on a witness.
    pub(super) carrier: Option<Carrier>,
    /// Another process is the agent now; this one's connections go on.
    pub(super) is_old: AtomicBool,
}

/// The authority, and the tokens this node has issued.
pub(super) struct Desk {
    pub(super) authority: Arc<Authority>,
    pub(super) tokens: Arc<TokenStore>,
}

/// A service that may be restarted, as others reach it.
pub(super) struct Slot<T>(RwLock<Option<T>>);

impl<T: Clone> Slot<T> {
    pub(super) fn empty() -> Self {
        Self(RwLock::new(None))
    }

    pub(super) fn get(&self) -> Option<T> {
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set(&self, value: Option<T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = value;
    }
}

/// A port of this server itself.
pub(super) fn local(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}

impl Node {
    /// Opens everything that the configuration and the papers name; starts nothing but the ledger.
    pub(super) async fn open(config: Config, papers: Papers, inherited: Inherited) -> Result<Self> {
        let data_dir = config.data_dir().to_owned();
        let me = ledger_identity(&papers.identity, &papers.record);
        let Papers {
            record,
            identity,
            secrets,
            desk,
            server,
        } = papers;
        let is_data = !config.file.node.witness;
        let identity = Arc::new(identity);
        let endpoint = Endpoint::new(Arc::clone(&identity), peer::Config::default())
            .map_err(Failure::doing("set up the network"))?;
        if let Some(desk) = &desk {
            let (authority, tokens) = (Arc::clone(&desk.authority), Arc::clone(&desk.tokens));
            endpoint.set_join_desk(Some(JoinDesk::new(authority, tokens)));
        }
        let directory = Arc::new(Directory::open(&data_dir, &record.introduced));
        let endpoint = Arc::new(endpoint);
        let transport = PeerTransport::new(Arc::clone(&endpoint), Arc::clone(&directory));
        let timing = ledger::Timing::default();
        let store = ledger_dir(&data_dir);
        let raft = Raft::open(&store, me, Arc::new(transport), timing).await;
        let raft = raft.map_err(refusal::ledger(&store))?;
        let typed = &config.file.mariadb;
        let upstream =
            is_data.then(|| Arc::new(Upstream::new((*endpoint).clone(), local(typed.tunnel_port))));
        let carrier = is_data.then(|| Carrier::start(config.file.gateway.threads));
        let carrier = carrier.transpose();
        let carrier = carrier.map_err(Failure::doing(
            "start the threads for other nodes' connections",
        ))?;
        let admissions = Arc::new(Admissions::new(local(typed.extra_port)));
        Ok(Self {
            settings: watch::Sender::new(Arc::new(config.clone())),
            config,
            secrets,
            identity,
            endpoint,
            directory,
            raft: Arc::new(raft),
            server,
            upstream,
            admissions,
            desk,
            keeper: Slot::empty(),
            gateway: Slot::empty(),
            outcomes: Outcomes::default(),
            gate: watch::Sender::new(Gate::default()),
            picture: watch::Sender::new(None),
            guide: watch::Sender::new(Guide::default()),
            inherited: Mutex::new(inherited),
            followers: Followers::default(),
            carried: Arc::default(),
            carrier,
            is_old: AtomicBool::new(false),
        })
    }

    /// What the keeper believes now; none before its first word.
    pub(super) fn picture(&self) -> Option<Arc<Picture>> {
        self.picture.borrow().clone()
    }

    /// The cluster as this node sees it, with what its gateway has done; none before the keeper's first word.
    pub(super) fn status(&self) -> Option<Status> {
        let mut status = Status::of(&*self.picture()?);
        status.gateway = self.gateway.get().map(|gateway| gateway.figures());
        Some(status)
    }

    /// Whether this node is the primary that takes writes in this epoch.
    pub(super) fn serves(&self, epoch: u64) -> bool {
        let route = self.picture().map(|picture| picture.route());
        route.is_some_and(|(now, primary, _)| {
            now == epoch && primary.as_ref() == Some(&self.config.name)
        })
    }

    /// Another process is the agent of this node now.
    pub(super) fn is_old(&self) -> bool {
        self.is_old.load(Ordering::SeqCst)
    }

    /// The listening sockets that the process before this one gave, once.
    pub(super) fn take_inherited(&self) -> Inherited {
        let mut inherited = self
            .inherited
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *inherited)
    }

    /// Where a node's agent listens.
    pub(super) fn address_of(&self, name: &NodeName) -> Option<SocketAddr> {
        self.directory.address(name)
    }
}
