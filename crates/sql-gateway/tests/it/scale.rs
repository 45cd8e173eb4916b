//! Reads of many clients on two servers: each gets its part, and one that is behind gets none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mysql_async::prelude::Queryable;
use sql_gateway::{Config, Progress, Replicas};
use tokio::task::JoinSet;

use crate::server::Server;
use crate::world::{World, who};

const CLIENTS: usize = 48;

/// A primary `a`, a replica `b`, a gateway with the defaults before them, and clients that read without a pause.
struct Scale {
    primary: Server,
    replica: Server,
    world: World,
    replicas: Replicas,
    clients: JoinSet<()>,
    answered: Arc<AtomicU64>,
    end: Arc<AtomicBool>,
}

impl Scale {
    async fn start(config: Config) -> Self {
        let (primary, replica) = (Server::start("a"), Server::start("b"));
        replica.replicate(&primary);
        for server in [&primary, &replica] {
            server.sql("SET GLOBAL userstat = 1");
        }
        let world = World::with(Config {
            split: true,
            ..config
        });
        world.knows("a", &primary);
        world.knows("b", &replica);
        let replicas = world.route_with(1, "a", "b");
        world.teach(&primary);
        let (answered, end) = (Arc::<AtomicU64>::default(), Arc::<AtomicBool>::default());
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            let mut client = world.connect().await;
            let (answered, end) = (Arc::clone(&answered), Arc::clone(&end));
            clients.spawn(async move {
                while !end.load(Ordering::Relaxed) {
                    let name = who(&mut client).await.unwrap();
                    assert!(name == "a" || name == "b");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self {
            primary,
            replica,
            world,
            replicas,
            clients,
            answered,
            end,
        }
    }

    /// Reads that each server has answered while the clients got so many more answers.
    async fn share(&self, answers: u64) -> (u64, u64) {
        let before = (reads(&self.primary), reads(&self.replica));
        let goal = self.answered.load(Ordering::Relaxed) + answers;
        let wait = async {
            while self.answered.load(Ordering::Relaxed) < goal {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(2), wait)
            .await
            .unwrap();
        (
            reads(&self.primary) - before.0,
            reads(&self.replica) - before.1,
        )
    }

    /// Waits until the reads are shared so: a replica rests for a second after whatever failed there.
    async fn until_shared(&self, what: &str, is_so: impl Fn(u64, u64) -> bool) {
        let mut seen = Vec::new();
        let wait = async {
            loop {
                let (primary, replica) = self.share(2_000).await;
                if primary + replica >= 1_500 && is_so(primary, replica) {
                    return;
                }
                seen.push((primary, replica));
            }
        };
        let told = tokio::time::timeout(Duration::from_mins(1), wait).await;
        assert!(told.is_ok(), "{what}: {seen:?}");
    }

    async fn end(mut self) {
        self.end.store(true, Ordering::Relaxed);
        while let Some(client) = self.clients.join_next().await {
            client.unwrap();
        }
        assert_eq!(self.world.handle.stats().errors, 0);
    }
}

/// Rows that were read one by one of tables: neither what the gateway asks for itself nor what `teach` does reads `who`.
fn reads(server: &Server) -> u64 {
    let text = server
        .sql("SELECT ROWS_READ FROM information_schema.TABLE_STATISTICS WHERE TABLE_NAME = 'who'");
    text.parse().unwrap_or(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_many_clients_when_two_servers_have_the_data_reach_both() {
    let scale = Scale::start(Config::default()).await;
    let in_proportion = |primary, replica| {
        let all = primary + replica;
        primary * 4 >= all && replica * 4 >= all
    };
    scale
        .until_shared("a quarter at least", in_proportion)
        .await;
    scale.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_many_clients_when_the_replica_is_behind_reach_it_no_more() {
    let scale = Scale::start(Config::default()).await;
    scale
        .until_shared("the replica is read", |_, replica| replica > 0)
        .await;
    // As the agent tells it when the applier stands still.
    scale.replica.sql("STOP SLAVE SQL_THREAD");
    scale.replicas.tell(vec![Progress::default()]);
    // What was on its way there when that was said.
    scale.share(200).await;
    assert_eq!(scale.share(2_000).await.1, 0);
    scale.replica.sql("START SLAVE SQL_THREAD");
    scale.replicas.tell(vec![Progress {
        lag: Some(Duration::ZERO),
        ..Progress::default()
    }]);
    scale
        .until_shared("it is read again", |_, replica| replica > 0)
        .await;
    scale.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_when_tables_were_locked_more_than_once_are_spread_again_after_that() {
    let scale = Scale::start(Config::default()).await;
    let mut client = scale.world.connect().await;
    for sql in [
        "LOCK TABLES t READ",
        "LOCK TABLES t WRITE",
        "ALTER TABLE t COMMENT 'x'",
        "UNLOCK TABLES",
    ] {
        client.query_drop(sql).await.unwrap();
    }
    let lexicon = scale.world.handle.lexicon();
    let known = || lexicon.is_known();
    crate::world::eventually("names are known again", known).await;
    scale
        .until_shared("the replica is read", |_, replica| replica > 0)
        .await;
    scale.end().await;
}
