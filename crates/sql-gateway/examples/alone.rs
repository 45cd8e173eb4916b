//! A gateway alone, before one server or a primary and its replica, without agents: for the counters of `proof gateway`
//! (instructions, system calls, memory), where an agent's own work would be in the way.
//!
//! `alone ADDRESS SOCKET SERVER_PORT USER HASH [REPLICA_PORT WHERE]`; HASH is what `SELECT PASSWORD(...)` says of the
//! one account it knows. Reads are split, as a node's gateway splits them; WHERE is `least` (where least runs) or
//! `replica` (there whenever they may). The replica is said to follow, and how far it is the gateway finds out
//! by itself. Writes carry their marks; what became of one whose server is lost nobody can say here. No name is said to be more than a table. Serves until SIGTERM.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use sql_gateway::{
    Accounts, Address, Behind, Config, Dial, Gateway, Lease, Outcomes, Progress, Proof, Replicas,
    Route, Sealed, Target,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use wire::catalog::Catalog;
use wire::outcome::{Outcome, Question};

const USAGE: &str =
    "usage: alone ADDRESS SOCKET SERVER_PORT USER HASH [REPLICA_PORT least|replica]";
/// More than any measurement opens.
const CONNECTIONS: usize = 20_000;
/// Longer than any measurement lasts.
const LASTING: Duration = Duration::from_hours(24);
/// The two servers' names.
const PRIMARY: &str = "primary";
const REPLICA: &str = "replica";

/// Where the servers are.
struct Servers {
    primary: u16,
    replica: Option<u16>,
}

#[async_trait]
impl Dial for Servers {
    fn direct(&self, _route: &Route, node: &str, _is_safe: bool) -> Option<Address> {
        let replica = self.replica.filter(|_| node == REPLICA);
        let port = replica.unwrap_or(self.primary);
        Some(Address::Tcp(([127, 0, 0, 1], port).into()))
    }

    async fn dial(&self, _route: &Route, _node: &str) -> io::Result<Sealed> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

struct Known {
    user: String,
    proof: Proof,
}

impl Accounts for Known {
    fn proofs(&self, user: &str) -> Vec<Proof> {
        let is_known = user == self.user;
        is_known.then(|| self.proof.clone()).into_iter().collect()
    }
}

/// Nobody takes over here.
struct Nobody;

#[async_trait]
impl Outcomes for Nobody {
    async fn outcome(&self, _: &Route, _: u64, _: &Question) -> io::Result<Outcome> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// The replica of the command line, and whether reads prefer it.
fn replica(words: &[String]) -> Result<(Option<u16>, bool), Box<dyn Error>> {
    let [port, place] = words else {
        return if words.is_empty() {
            Ok((None, false))
        } else {
            Err(USAGE.into())
        };
    };
    match place.as_str() {
        "least" => Ok((Some(port.parse()?), false)),
        "replica" => Ok((Some(port.parse()?), true)),
        _ => Err(USAGE.into()),
    }
}

fn route(servers: &Servers) -> Route {
    let names = servers.replica.map(|_| REPLICA.to_owned());
    let replicas = Replicas::of(names);
    if servers.replica.is_some() {
        replicas.tell(vec![Progress {
            lag: Some(Duration::ZERO),
            ..Progress::default()
        }]);
    }
    // Why one with an end: a node's route has one, and each read is held against it.
    let lease = Lease::default();
    lease.renew(Some(Instant::now() + LASTING));
    Route {
        epoch: 1,
        target: Some(Target {
            node: PRIMARY.to_owned(),
        }),
        hold: false,
        lease,
        behind: Behind::default(),
        replicas,
    }
}

// Why one thread: the instructions of a query shall not depend on who stole whose work.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, socket, port, user, hash, rest @ ..] = words.as_slice() else {
        return Err(USAGE.into());
    };
    let (replica, prefer_replicas) = replica(rest)?;
    let servers = Servers {
        primary: port.parse()?,
        replica,
    };
    let config = Config {
        listen: vec![address.parse()?],
        sockets: vec![socket.into()],
        max_connections: CONNECTIONS,
        threads: 1,
        split: true,
        prefer_replicas,
        ..Config::default()
    };
    let accounts = Known {
        user: user.clone(),
        proof: Proof {
            host: "%".to_owned(),
            plugin: "mysql_native_password".to_owned(),
            native_hash: Some(wire::native::parse_stored(hash).ok_or(USAGE)?),
        },
    };
    // Why kept: a route whose sender is gone would never be followed again.
    let (_route, routes) = watch::channel(route(&servers));
    let (end, ended) = watch::channel(false);
    let gateway = Gateway::new(config, routes, Arc::new(servers), Arc::new(accounts))?;
    let gateway = gateway.asking(Arc::new(Nobody));
    let lexicon = gateway.handle().lexicon();
    tokio::spawn(async move {
        loop {
            lexicon.know(&lexicon.begin(), &Arc::new(Catalog::default()));
            // Why again: what is too long to be looked at may define something.
            lexicon.wanted().await;
        }
    });
    let mut told = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        told.recv().await;
        end.send_replace(true);
    });
    gateway.run(ended).await;
    Ok(())
}
