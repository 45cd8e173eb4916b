//! The configuration file as it is typed. The doc comments below are the reference page; what the
//! values mean together is in `config.rs`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sql_gateway::{Freshness, OnPrimary};

use super::section::{Key, Section, Shape, section};
use super::span::Span;
use super::value::Options;

section! {
    /// What this node is.
    Node "node" {
        /// Name of this node in the cluster: 1 to 63 of `a-z`, `0-9` and `-`. Required.
        name: Option<String> = None, Text;
        /// Address of this server that the other nodes reach; the peer port is opened on it. Required.
        address: Option<String> = None, Text;
        /// Everything of ours: identity, ledger, state, sockets, saved tails. An absolute path.
        data_dir: PathBuf = PathBuf::from("/var/lib/mainstay"), Path;
        /// This node votes and holds no data: it runs no MariaDB.
        witness: bool = false, Switch;
    }
}

section! {
    /// Agent to agent, over mutual TLS.
    Peer "peer" {
        /// The one port that other nodes must be able to reach.
        port: u16 = 7400, Number;
    }
}

section! {
    /// The MariaDB server that this node's agent starts and stops.
    Mariadb "mariadb" {
        /// MariaDB's data directory. An absolute path, not inside `node.data_dir`.
        database_dir: PathBuf = PathBuf::from("/var/lib/mysql"), Path;
        /// The server's SQL port, on 127.0.0.1 only; applications use the gateway instead.
        port: u16 = 3307, Number;
        /// The server's port for agents, open even when all connections are in use; on 127.0.0.1 only.
        extra_port: u16 = 3308, Number;
        /// Local port of the agent that the server replicates from; on 127.0.0.1 only.
        tunnel_port: u16 = 3309, Number;
        /// System user the server runs as when the agent is root.
        user: String = "mysql".to_owned(), Text;
        /// Options for the server as in `my.cnf`, names with `_` or `-`; those that the protocol
        /// depends on are refused.
        options: Options = Options(BTreeMap::new()), Table;
    }
}

section! {
    /// The SQL address that always leads to the primary.
    Gateway "gateway" {
        /// Whether this node runs one. Unset: data nodes do, a witness does not.
        enabled: Option<bool> = None, Switch;
        /// TCP addresses that applications connect to.
        listen: Vec<String> = vec!["127.0.0.1:3306".to_owned()], List;
        /// Unix sockets that applications connect to.
        sockets: Vec<PathBuf> = vec![PathBuf::from("/run/mysqld/mysqld.sock")], List;
        /// Whether clients that come by TCP may encrypt. Without a certificate of its own the gateway shows one of the
        /// cluster's authority, `node.data_dir`/identity/authority.pem.
        tls: bool = false, Switch;
        /// PEM file of the certificate to show, with those that lead to its authority. Read again when it changes.
        tls_certificate: Option<PathBuf> = None, Path;
        /// PEM file of its key; only its owner and group may read it.
        tls_key: Option<PathBuf> = None, Path;
        /// Those addresses of `listen` where clients must encrypt.
        require_tls: Vec<String> = Vec::new(), List;
        /// Those addresses of `listen` where load balancers connect, which announce each client by the PROXY protocol
        /// (version 1 or 2).
        accept_proxy: Vec<String> = Vec::new(), List;
        /// Networks such as `10.0.0.0/8` where these load balancers are. Nobody else is let in there.
        proxy_from: Vec<String> = Vec::new(), List;
        /// How long a statement waits for a primary before it gets an error.
        hold_max: Span = Span::from_secs(15), Span;
        /// Connections served at the same time; one more is refused with error 1040.
        max_connections: usize = 2000, Number;
        /// How long connections may go on in the old process after `mainstay upgrade`; then they are closed.
        linger: Span = Span::from_secs(60), Span;
        /// Threads that serve connections, and as many that carry other nodes' connections to this node's server. 0: as many
        /// as there are processors, and one where there are only two.
        threads: usize = 0, Number;
        /// Whether a connection to the database whose client has left is given to the next client with the same account,
        /// address and password, reset as if it had just been made.
        pool: bool = true, Switch;
        /// How long such a connection waits for its next client.
        pool_idle_time: Span = Span::from_secs(60), Span;
        /// After how long an idle client does without a connection to the database until its next statement, so that
        /// many clients share few; 0s: never. What it changes for clients: docs/reference/gateway.md.
        pool_idle_clients: Span = Span::from_secs(0), Span;
        /// How many of them wait, for each account.
        pool_idle_max: usize = 32, Number;
        /// Connections to the database for each account, in use and waiting. 0: no limit.
        pool_per_account: usize = 0, Number;
        /// How long a client waits when its account has no connection left, before it gets error 1203.
        pool_queue_max: Span = Span::from_secs(5), Span;
        /// Whether reads outside transactions go to replicas, too.
        split: bool = true, Switch;
        /// Reads go to replicas whenever they may. Otherwise they do while more than four statements more run on the primary.
        prefer_replicas: bool = false, Switch;
        /// What a read sees: `primary` all that the primary has, as it stays there; on a replica `site` all that was
        /// acknowledged to anybody before it came, through any gateway; `connection` what its own connection has written;
        /// `none` anything that once was.
        freshness: Freshness = Freshness::Site, Text;
        /// The same for clients of some listeners: addresses of `listen` or paths of `sockets`, and `primary`, `site`,
        /// `connection` or `none`.
        freshness_at: BTreeMap<String, Freshness> = BTreeMap::new(), Table;
        /// The same for single accounts, wherever they come in: user names and `primary`, `site`, `connection` or `none`.
        freshness_of: BTreeMap<String, Freshness> = BTreeMap::new(), Table;
        /// A replica that is further behind the primary gets no reads.
        lag_max: Span = Span::from_millis(500), Span;
        /// TCP addresses for reads only, such as reports: each client there reads from one replica. Unset: `127.0.0.1:3305`
        /// where `listen` serves 127.0.0.1:3306, else none.
        read_only_listen: Option<Vec<String>> = None, List;
        /// Unix sockets for reads only.
        read_only_sockets: Vec<PathBuf> = Vec::new(), List;
        /// A replica that is further behind the primary serves nobody there: its clients go on with another one.
        read_only_lag_max: Span = Span::from_secs(10), Span;
        /// When the primary serves clients there: `alone` while it has no replica, `needed` also while none is near
        /// enough, `never`. Otherwise they wait, up to `hold_max`.
        read_only_on_primary: OnPrimary = OnPrimary::Alone, Text;
        /// Whether accounts with READ ONLY ADMIN or SUPER are let in. They pass `read_only`: what they write on a
        /// replica's own server is lost. `root@localhost` is always let in.
        strong_accounts: bool = false, Switch;
    }
}

section! {
    /// What monitoring reads.
    Monitor "monitor" {
        /// Address where `/metrics` is served over HTTP, to everybody who reaches it; empty: nowhere.
        listen: String = "127.0.0.1:7480".to_owned(), Text;
    }
}

section! {
    /// Waiting times. No safety rests on them; the defaults suit servers in one data centre.
    Timing "timing" {
        /// Silence after which a primary is suspected; longer than `shrink`.
        suspicion: Span = Span::from_millis(core().suspicion), Span;
        /// Silence, or lack of acknowledgements, after which the primary goes on without a replica.
        shrink: Span = Span::from_millis(core().shrink), Span;
        /// How long a bad health must last before a primary's server is given up.
        ill: Span = Span::from_millis(core().ill), Span;
        /// How long a replica's server must have hung before it is ended, to be started again.
        hung: Span = Span::from_millis(core().hung), Span;
        /// How long a returning primary leaves the way open for a replica to take over.
        grace: Span = Span::from_millis(core().grace), Span;
        /// How long a replica may take to confirm when it is taken into an empty in-sync set.
        grow: Span = Span::from_millis(core().grow), Span;
        /// Pause after such a growth was given up.
        regrow: Span = Span::from_millis(core().regrow), Span;
        /// Greatest lag of a replica that is taken into the in-sync set, or that a switchover goes to.
        caught_up: Span = Span::from_millis(core().caught_up), Span;
        /// Lag from which a replica is taken out of the in-sync set.
        lag_limit: Span = Span::from_millis(core().lag_limit), Span;
        /// How long a switchover lets open transactions end.
        drain: Span = Span::from_millis(core().drain), Span;
        /// How long a switchover may hold statements before it is undone.
        hold: Span = Span::from_millis(core().hold), Span;
        /// How long a switchover waits for its target to be ready before it is refused.
        ready: Span = Span::from_millis(core().ready), Span;
        /// How long the cluster must have been protected before failovers are counted anew.
        relief: Span = Span::from_millis(core().relief), Span;
        /// How many automatic failovers may happen in an hour before protection is restored.
        budget: usize = core().budget, Number;
    }
}

/// The waiting times that the decisions were tested with.
fn core() -> cluster::Timing {
    cluster::Timing::default()
}

/// The whole file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct File {
    pub(crate) node: Node,
    pub(crate) peer: Peer,
    pub(crate) mariadb: Mariadb,
    pub(crate) gateway: Gateway,
    pub(crate) monitor: Monitor,
    pub(crate) timing: Timing,
}

/// Every section, in the order of the reference.
pub(crate) const SECTIONS: [Section; 6] = [
    Node::SECTION,
    Peer::SECTION,
    Mariadb::SECTION,
    Gateway::SECTION,
    Monitor::SECTION,
    Timing::SECTION,
];

/// The section of this name.
pub(crate) fn section(name: &str) -> Option<&'static Section> {
    SECTIONS.iter().find(|section| section.name == name)
}

impl Section {
    /// The key of this name.
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }
}
