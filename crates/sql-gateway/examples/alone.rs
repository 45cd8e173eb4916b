//! A gateway alone, before one server, without agents: for the counters of `proof gateway`
//! (instructions, system calls, memory), where an agent's own work would be in the way.
//!
//! `alone ADDRESS SOCKET SERVER_PORT USER HASH`; HASH is what `SELECT PASSWORD(...)` says of the
//! one account it knows. Serves until SIGTERM.

use std::error::Error;
use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use sql_gateway::{
    Accounts, Address, Behind, Config, Dial, Gateway, Lease, Proof, Replicas, Route, Stream, Target,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

const USAGE: &str = "usage: alone ADDRESS SOCKET SERVER_PORT USER HASH";
/// More than any measurement opens.
const CONNECTIONS: usize = 20_000;

struct Server(u16);

#[async_trait]
impl Dial for Server {
    fn direct(&self, _route: &Route, _node: &str, _is_safe: bool) -> Option<Address> {
        Some(Address::Tcp(([127, 0, 0, 1], self.0).into()))
    }

    async fn dial(&self, _route: &Route, _node: &str) -> io::Result<Box<dyn Stream>> {
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

// Why one thread: the instructions of a query shall not depend on who stole whose work.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [address, socket, port, user, hash] = words.as_slice() else {
        return Err(USAGE.into());
    };
    let config = Config {
        listen: vec![address.parse()?],
        sockets: vec![socket.into()],
        max_connections: CONNECTIONS,
        threads: 1,
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
    let route = Route {
        epoch: 1,
        target: Some(Target {
            node: "alone".to_owned(),
        }),
        hold: false,
        lease: Lease::default(),
        behind: Behind::default(),
        replicas: Replicas::default(),
    };
    // Why kept: a route whose sender is gone would never be followed again.
    let (_route, routes) = watch::channel(route);
    let (end, ended) = watch::channel(false);
    let server = Arc::new(Server(port.parse()?));
    let gateway = Gateway::new(config, routes, server, Arc::new(accounts))?;
    let mut told = signal(SignalKind::terminate())?;
    tokio::spawn(async move {
        told.recv().await;
        end.send_replace(true);
    });
    gateway.run(ended).await;
    Ok(())
}
