//! Clients that only read: bound to a replica, refused what is no read, moved or ended when the replica is needed.

use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;
use sql_gateway::{Config, Freshness, OnPrimary, Progress, ReadOnly, Replicas, Spot};

use crate::server::Server;
use crate::world::{World, error_of, eventually, proof, who};

/// A primary `a`, a replica, and a gateway with a listener for reads.
struct Reports {
    primary: Server,
    replica: Server,
    world: World,
    replicas: Replicas,
}

impl Reports {
    fn new(read_only: ReadOnly, hold_max: Duration) -> Self {
        let (primary, replica) = (Server::start("a"), Server::start("b"));
        replica.replicate(&primary);
        let world = World::with(Config {
            read_only: ReadOnly {
                listen: vec!["127.0.0.2:0".parse().unwrap()],
                ..read_only
            },
            hold_max,
            ..Config::default()
        });
        world.knows("a", &primary);
        world.knows("b", &replica);
        world.knows("own", &replica);
        let replicas = world.route_with(1, "a", "b");
        Self {
            primary,
            replica,
            world,
            replicas,
        }
    }

    fn usual() -> Self {
        Self::new(ReadOnly::default(), Duration::from_mins(1))
    }

    async fn connect(&self) -> Conn {
        self.connect_as("app", "pw").await.unwrap()
    }

    async fn connect_as(&self, user: &str, password: &str) -> mysql_async::Result<Conn> {
        let address = self.world.addresses[1];
        self.world.connect_at(address, user, password).await
    }

    fn lags(&self, lag: Duration) {
        self.replicas.tell(vec![Progress {
            lag: Some(lag),
            ..Progress::default()
        }]);
    }
}

/// Runs a long read and returns when the server runs it.
async fn sleeping(
    mut client: Conn,
    server: &Server,
) -> tokio::task::JoinHandle<(mysql_async::Result<Option<u8>>, Conn)> {
    let running = tokio::spawn(async move {
        let slept = client.query_first("SELECT SLEEP(300) FROM who").await;
        (slept, client)
    });
    let ask = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'SELECT SLEEP%'";
    eventually("the read runs", || server.sql(ask) == "1").await;
    running
}

/// It reads on the replica, has temporary tables there, and writes nothing.
async fn only_reads(client: &mut Conn) {
    assert_eq!(who(client).await.unwrap(), "b");
    let name: Option<String> = client.exec_first("SELECT name FROM who", ()).await.unwrap();
    assert_eq!(name.as_deref(), Some("b"));
    for sql in [
        "INSERT INTO t (v) VALUES ('x')",
        "SELECT id FROM t FOR UPDATE",
        "SELECT 1; DELETE FROM t",
        "CREATE TABLE other (a INT)",
        "SET SESSION TRANSACTION READ WRITE",
        "LOCK TABLES t READ",
    ] {
        let (code, text) = error_of(client.query_drop(sql).await);
        assert!(
            code == 1290 && text.contains("--read-only"),
            "{sql}: {text}"
        );
        let prepared = client.prep(sql).await.map(drop);
        assert_eq!(error_of(prepared).0, 1290, "{sql}");
    }
    // A function that writes looks like any other: the server refuses it, whoever calls it.
    for sql in ["SELECT f()", "DO f()"] {
        let (code, text) = error_of(client.query_drop(sql).await);
        assert!([1290, 1792].contains(&code), "{sql}: {code} {text}");
    }
    client
        .query_drop("CREATE TEMPORARY TABLE mine (a INT)")
        .await
        .unwrap();
    client
        .query_drop("INSERT INTO mine VALUES (2)")
        .await
        .unwrap();
    let (code, text) = error_of(client.query_drop("INSERT INTO t (v) VALUES ('x')").await);
    assert!([1290, 1792].contains(&code), "{code} {text}");
    let sum: Option<u32> = client.query_first("SELECT SUM(a) FROM mine").await.unwrap();
    assert_eq!(sum, Some(2));
    client
        .query_drop("DROP TEMPORARY TABLE mine")
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_for_reads_when_it_writes_is_refused_and_its_reads_run_on_the_replica() {
    let reports = Reports::usual();
    reports
        .primary
        .sql("SET GLOBAL log_bin_trust_function_creators = 1; USE shop; CREATE SEQUENCE s; CREATE FUNCTION f() RETURNS INT MODIFIES SQL DATA \
              RETURN (SELECT NEXTVAL(s)); CREATE USER boss@localhost IDENTIFIED BY 'boss'; GRANT ALL ON *.* TO boss@localhost");
    reports.replica.catches_up(&reports.primary);
    let hash = reports.primary.sql("SELECT PASSWORD('boss')");
    let proofs = proof("mysql_native_password", Some(&hash));
    let users = &reports.world.table.users;
    users.lock().unwrap().insert("boss".to_owned(), proofs);
    for (user, password) in [("app", "pw"), ("boss", "boss")] {
        let mut client = reports.connect_as(user, password).await.unwrap();
        for _ in 0..2 {
            only_reads(&mut client).await;
            // What protects the connection outlives a reset.
            client.reset().await.unwrap();
            client.query_drop("USE shop").await.unwrap();
        }
    }
    let count = reports.replica.sql("SELECT COUNT(*) FROM shop.t");
    assert_eq!(count, "0");
    assert_eq!(
        reports
            .replica
            .sql("SELECT next_not_cached_value FROM shop.s"),
        "1"
    );
    let figures = reports.world.handle.figures();
    let app = figures
        .accounts
        .iter()
        .find(|it| it.account == "app")
        .unwrap();
    assert!(
        app.replica.queries > 10 && app.primary.queries == 0,
        "{app:?}"
    );
    assert!(reports.world.handle.stats().reads_on_replicas > 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_read_when_a_takeover_needs_its_server_is_ended_at_once_and_the_client_goes_on() {
    let reports = Reports::usual();
    let mut pinned = reports.connect().await;
    pinned
        .query_drop("CREATE TEMPORARY TABLE mine (a INT)")
        .await
        .unwrap();
    let running = sleeping(reports.connect().await, &reports.replica).await;
    // Nobody waits for it when statements are held.
    let held = reports.world.handle.hold(Duration::from_mins(1)).await;
    assert_eq!(held.open_transactions, 0);
    // The replica has given its word for a takeover.
    reports.world.route(1, None);
    let (slept, mut client) = running.await.unwrap();
    let (code, text) = error_of(slept);
    assert!(code == 1317 && text.contains("replica"), "{code} {text}");
    let next = tokio::spawn(async move { (who(&mut client).await, client) });
    // It is the primary now, and nobody follows it yet.
    reports.replica.sql("STOP SLAVE; SET GLOBAL read_only=0");
    reports.world.switch(Some("b")).await;
    let (name, mut client) = next.await.unwrap();
    assert_eq!(name.unwrap(), "b");
    let refused = client.query_drop("INSERT INTO t (v) VALUES ('x')").await;
    assert_eq!(error_of(refused).0, 1290);
    let (code, text) = error_of(who(&mut pinned).await);
    assert!(
        code == 1927 && text.contains("temporary tables") && text.contains("replica"),
        "{code} {text}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_for_reads_when_its_replica_lags_waits_for_it_or_reads_on_the_primary() {
    let reports = Reports::new(ReadOnly::default(), Duration::from_millis(300));
    let mut client = reports.connect().await;
    assert_eq!(who(&mut client).await.unwrap(), "b");
    reports.lags(Duration::from_mins(1));
    let (code, text) = error_of(who(&mut client).await);
    assert!(code == 1053 && text.contains("no replica"), "{code} {text}");
    reports.lags(Duration::from_secs(9));
    assert_eq!(who(&mut client).await.unwrap(), "b");
    client.query_drop("START TRANSACTION").await.unwrap();
    assert_eq!(who(&mut client).await.unwrap(), "b");
    reports.lags(Duration::from_mins(1));
    assert_eq!(
        who(&mut client).await.unwrap(),
        "b",
        "an open transaction stays"
    );
    client.query_drop("COMMIT").await.unwrap();

    let config = Config {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        read_only: ReadOnly {
            listen: vec!["127.0.0.2:0".parse().unwrap()],
            on_primary: OnPrimary::Needed,
            ..ReadOnly::default()
        },
        ..Config::default()
    };
    reports.world.handle.reconfigure(&config).unwrap();
    assert_eq!(who(&mut client).await.unwrap(), "a");
    reports.lags(Duration::ZERO);
    assert_eq!(who(&mut client).await.unwrap(), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_for_reads_when_there_is_no_replica_reads_on_the_primary_until_there_is_one() {
    let reports = Reports::usual();
    reports.world.route(1, Some("a"));
    let (mut client, mut pinned) = (reports.connect().await, reports.connect().await);
    assert_eq!(who(&mut client).await.unwrap(), "a");
    pinned.query_drop("SET @x = 5").await.unwrap();
    let refused = client.query_drop("INSERT INTO t (v) VALUES ('x')").await;
    assert_eq!(error_of(refused).0, 1290);
    reports.world.route_with(1, "a", "b");
    eventually("the gateway knows", || {
        reports.world.handle.stats().primary.as_deref() == Some("a")
    })
    .await;
    let wait = async { while who(&mut client).await.unwrap() != "b" {} };
    tokio::time::timeout(Duration::from_mins(1), wait)
        .await
        .unwrap();
    let left: Option<u8> = pinned.query_first("SELECT @x FROM who").await.unwrap();
    assert_eq!(left, Some(5), "what cannot be moved stays");
    assert_eq!(who(&mut pinned).await.unwrap(), "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_for_reads_when_killed_by_its_greeting_is_ended_on_the_replica() {
    let reports = Reports::usual();
    let client = reports.connect().await;
    let id = client.id();
    let running = sleeping(client, &reports.replica).await;
    let (mut other, mut stranger) = (
        reports.world.connect().await,
        reports.world.connect_as("other", "other").await.unwrap(),
    );
    let refused = stranger.query_drop(format!("KILL QUERY {id}")).await;
    assert_eq!(error_of(refused).0, 1095);
    let started = Instant::now();
    other.query_drop(format!("KILL QUERY {id}")).await.unwrap();
    let (slept, mut client) = running.await.unwrap();
    // A SLEEP that is interrupted in a FROM is an error; it must not be the end of its 300 s.
    assert!(slept.is_err() && started.elapsed() < Duration::from_secs(200));
    assert_eq!(who(&mut client).await.unwrap(), "b");
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_when_they_come_to_read_are_those_of_the_server() {
    let reports = Reports::usual();
    reports.world.route_with(1, "a", "own");
    let address = reports.world.addresses[1];
    let passed_through = tokio::task::spawn_blocking(move || {
        let mut client = std::process::Command::new("mariadb");
        client.args(["--no-defaults", "-N", "-ued", "-ppw", "shop"]);
        client.args([
            format!("-h{}", address.ip()),
            format!("-P{}", address.port()),
        ]);
        client
            .args(["-e", "SELECT name FROM who"])
            .output()
            .unwrap()
    });
    let output = passed_through.await.unwrap();
    assert_eq!(output.stdout, b"b\n", "{output:?}");
    for (user, password) in [("app", "wrong"), ("sock", ""), ("root", "")] {
        let refused = reports.connect_as(user, password).await.map(drop);
        let (code, text) = error_of(refused);
        assert!([1045, 1698].contains(&code), "{user}: {code} {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_when_a_listener_wants_no_freshness_are_old_there_and_nowhere_else() {
    let (primary, replica) = (Server::start("a"), Server::start("b"));
    replica.replicate(&primary);
    let lax: std::net::SocketAddr = "127.0.0.2:0".parse().unwrap();
    let world = World::with(Config {
        listen: vec![lax],
        split: true,
        prefer_replicas: true,
        freshness_at: vec![(Spot::Tcp(lax), Freshness::Nothing)],
        ..Config::default()
    });
    world.knows("a", &primary);
    world.knows("b", &replica);
    world.route_with(1, "a", "b");
    world.teach(&primary);
    let mut usual = world.connect().await;
    let mut old = world
        .connect_at(world.addresses[1], "app", "pw")
        .await
        .unwrap();
    let wait = async {
        while who(&mut old).await.unwrap() != "b" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), wait)
        .await
        .unwrap();
    replica.catches_up(&primary);
    replica.sql("STOP SLAVE SQL_THREAD");
    let sql = "INSERT INTO t (id, v) VALUES (1, 'x')";
    usual.query_drop(sql).await.unwrap();
    for (client, wanted) in [(&mut old, 0), (&mut usual, 1)] {
        let count: Option<u32> = client.query_first("SELECT COUNT(*) FROM t").await.unwrap();
        assert_eq!(count, Some(wanted));
    }
}
