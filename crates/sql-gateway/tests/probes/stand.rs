//! Where probes are run: a real server with a replica, and two gateways in this process before them: one that sends reads
//! to the replica whenever they may go there, and one that sends everything to the server.

use std::cell::Cell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sql_gateway::Config;

use crate::conn::{Conn, Who};
use crate::server::Server;
use crate::stage::{Stage, Way};
use crate::world::World;

pub(crate) struct Stand {
    pub(crate) server: Server,
    replica: Server,
    /// Kept: they end with these.
    alone: World,
    split: World,
    _runtime: tokio::runtime::Runtime,
    directory: tempfile::TempDir,
    /// How long all runs on each side took.
    spent: [Cell<Duration>; 3],
}

/// One of the addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Direct,
    /// Through the gateway that knows of no replica.
    Alone,
    /// Through the one that prefers the replica.
    Split,
}

impl Side {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Alone => "alone",
            Self::Split => "with a replica",
        }
    }
}

impl Stand {
    pub(crate) fn start() -> Self {
        let server = Server::start_in("a", memory());
        server.sql("SET GLOBAL log_bin_trust_function_creators = 1");
        let replica = Server::start_in("a", memory());
        replica.replicate(&server);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let (alone, split) = {
            let _inside = runtime.enter();
            let world = |split| {
                World::with(Config {
                    split,
                    prefer_replicas: true,
                    wait_max: Duration::from_secs(10),
                    ..Config::default()
                })
            };
            let (alone, split) = (world(false), world(true));
            alone.knows("a", &server);
            alone.route(1, Some("a"));
            split.knows("a", &server);
            split.knows("own", &replica);
            split.route_with(1, "a", "own");
            split.teach(&server);
            (alone, split)
        };
        let directory = memory();
        Self {
            server,
            replica,
            alone,
            split,
            _runtime: runtime,
            directory,
            spent: Default::default(),
        }
    }

    /// A run on this side took so long.
    pub(crate) fn took(&self, side: Side, time: Duration) {
        let spent = &self.spent[side as usize];
        spent.set(spent.get() + time);
    }

    /// How long all of them took.
    pub(crate) fn time(&self, side: Side) -> Duration {
        self.spent[side as usize].get()
    }

    /// What hinders replication, if anything does.
    pub(crate) fn replication_error(&self) -> String {
        let status = self.replica.sql("SHOW SLAVE STATUS");
        let errors = |part: &&str| part.contains("Error ");
        status.split('\t').filter(errors).collect()
    }

    /// Reads that the gateway sent to the replica so far.
    pub(crate) fn reads(&self) -> u64 {
        self.split.handle.stats().reads_on_replicas
    }

    pub(crate) fn address(&self, side: Side) -> SocketAddr {
        match side {
            Side::Direct => SocketAddr::from(([127, 0, 0, 1], self.server.port)),
            Side::Alone => self.alone.address,
            Side::Split => self.split.address,
        }
    }

    /// A stage with a fresh schema and an empty directory that the server may write to.
    pub(crate) fn stage(&self, side: Side, way: Way) -> Stage {
        let address = self.address(side);
        clean(address, way);
        let directory = fresh(self.directory.path());
        let mut stage = Stage::new(address, way, side == Side::Direct, directory);
        stage.lexicon = (side == Side::Split).then(|| self.split.handle.lexicon());
        stage
    }
}

/// A directory in memory where there is one: most of what probes do is making and dropping tables.
fn memory() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm")
        .or_else(|_| tempfile::tempdir())
        .unwrap()
}

fn fresh(path: &Path) -> PathBuf {
    let directory = path.join("run");
    let _ = std::fs::remove_dir_all(&directory);
    std::fs::create_dir(&directory).unwrap();
    directory
}

/// The schema made anew, by the same road as the probe: so that it sees its own writes.
fn clean(address: SocketAddr, way: Way) {
    let mut conn = Conn::open(address).unwrap();
    let who = Who {
        database: "",
        ..Who::app(way.capabilities())
    };
    assert_eq!(conn.log_in(&who).unwrap()[0], 0);
    for sql in ["DROP DATABASE IF EXISTS probe", "CREATE DATABASE probe"] {
        let mut payload = vec![3];
        payload.extend_from_slice(sql.as_bytes());
        conn.send(&payload).unwrap();
        let (_, answer) = conn.read().unwrap();
        assert_eq!(answer[0], 0, "{sql}: {}", answer.escape_ascii());
    }
}

/// For `cargo xtask suites`: a stand that stays as long as the file of its addresses does. Beside that file, with `.reads` behind its
/// name, is how many reads the replica has answered.
#[test]
fn stand_when_a_file_is_named_then_says_its_ports_there_and_stays() {
    let Some(file) = std::env::var_os("PROBES_STAND") else {
        return;
    };
    let stand = Stand::start();
    stand.server.sql("CREATE DATABASE test");
    let own = stand.server.port;
    let text = format!("{own} {}\n", stand.split.address.port());
    std::fs::write(&file, text).unwrap();
    let reads = Path::new(&file).with_extension("reads");
    while Path::new(&file).exists() {
        // Why renamed: nobody finds half a number.
        let next = reads.with_extension("next");
        std::fs::write(&next, stand.reads().to_string()).unwrap();
        std::fs::rename(&next, &reads).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(stand.replication_error(), "", "replication goes on");
}
