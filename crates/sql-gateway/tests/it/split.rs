//! Reads on a replica: who answers, how fresh, and what happens when it is late, lost, or not known to be right.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use sql_gateway::{Config, Freshness, Progress, Replicas};

use crate::server::Server;
use crate::world::{World, eventually, who};

/// A primary `a`, a replica `b` as far as another node, and a gateway that prefers the replica.
pub(crate) struct Split {
    pub(crate) primary: Server,
    pub(crate) replica: Server,
    pub(crate) world: World,
    replicas: Replicas,
}

impl Split {
    pub(crate) fn new(config: Config) -> Self {
        let (primary, replica) = (Server::start("a"), Server::start("b"));
        replica.replicate(&primary);
        let world = World::with(Config {
            split: true,
            prefer_replicas: true,
            ..config
        });
        world.knows("a", &primary);
        world.knows("b", &replica);
        let replicas = world.route_with(1, "a", "b");
        Self {
            primary,
            replica,
            world,
            replicas,
        }
    }

    /// With long waits: what is read must come from the replica.
    pub(crate) fn patient() -> Self {
        let split = Self::new(Config {
            wait_max: Duration::from_secs(20),
            ..Config::default()
        });
        split.world.teach(&split.primary);
        split
    }

    pub(crate) fn reads(&self) -> u64 {
        self.world.handle.stats().reads_on_replicas
    }
}

/// Reads until a replica has answered.
pub(crate) async fn settle(client: &mut mysql_async::Conn) {
    let wait = async {
        while who(client).await.unwrap() != "b" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), wait)
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_when_spread_see_what_any_connection_wrote_before() {
    let split = Split::patient();
    let (mut writer, mut reader) = (split.world.connect().await, split.world.connect().await);
    settle(&mut reader).await;
    let before = split.reads();
    for n in 0..100_u32 {
        let sql = format!("INSERT INTO t (id, v) VALUES ({}, 'x')", n + 1);
        writer.query_drop(sql).await.unwrap();
        for client in [&mut reader, &mut writer] {
            let count: Option<u32> = client.query_first("SELECT COUNT(*) FROM t").await.unwrap();
            assert_eq!(count, Some(n + 1));
        }
        let sql = "SELECT id FROM t WHERE id = ?";
        let found: Option<u32> = reader.exec_first(sql, (n + 1,)).await.unwrap();
        assert_eq!(found, Some(n + 1));
    }
    assert!(
        split.reads() - before >= 290,
        "{} of 300",
        split.reads() - before
    );
    let name: Option<String> = reader.query_first("SELECT name FROM who").await.unwrap();
    assert_eq!(name.as_deref(), Some("b"));
    assert_eq!(split.world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_a_session_that_says_what_it_wants_to_hear_are_spread_with_its_settings() {
    let split = Split::patient();
    let mut client = split.world.connect().await;
    let java = "set autocommit=1, sql_mode=CONCAT(@@sql_mode,',PIPES_AS_CONCAT'), \
        session_track_system_variables = CONCAT(@@global.session_track_system_variables,',tx_isolation')";
    client.query_drop(java).await.unwrap();
    settle(&mut client).await;
    let sql = "SELECT name || '!' FROM who";
    let name: Option<String> = client.query_first(sql).await.unwrap();
    assert_eq!(name.as_deref(), Some("b!"));
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_when_the_replica_does_not_apply_are_answered_by_the_primary() {
    let split = Split::new(Config::default());
    split.world.teach(&split.primary);
    let (mut writer, mut reader) = (split.world.connect().await, split.world.connect().await);
    settle(&mut reader).await;
    split.replica.sql("STOP SLAVE SQL_THREAD");
    for n in 1..=20_u32 {
        let sql = format!("INSERT INTO t (id, v) VALUES ({n}, 'x')");
        writer.query_drop(sql).await.unwrap();
        let count: Option<u32> = reader.query_first("SELECT COUNT(*) FROM t").await.unwrap();
        assert_eq!(count, Some(n));
    }
    split.replica.sql("START SLAVE SQL_THREAD");
    settle(&mut reader).await;
    let count: Option<u32> = reader.query_first("SELECT COUNT(*) FROM t").await.unwrap();
    assert_eq!(count, Some(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_when_its_replica_dies_or_leaves_the_route_is_answered_by_the_primary() {
    let mut split = Split::patient();
    let mut reader = split.world.connect().await;
    settle(&mut reader).await;
    for leaves in [true, false] {
        settle(&mut reader).await;
        let mut lock = mysql_async::Conn::new(root(&split.replica)).await.unwrap();
        lock.query_drop("LOCK TABLES shop.who WRITE").await.unwrap();
        let before = split.reads();
        let reading = tokio::spawn(async move {
            let name = who(&mut reader).await;
            (name, reader)
        });
        eventually("the read runs there", || split.reads() > before).await;
        if leaves {
            split.world.route(1, Some("a"));
        } else {
            split.replica.kill();
        }
        let (name, back) = reading.await.unwrap();
        assert_eq!(name.unwrap(), "a");
        reader = back;
        if leaves {
            drop(lock);
            split.world.route_with(1, "a", "b");
        }
    }
    assert_eq!(who(&mut reader).await.unwrap(), "a");
    assert_eq!(split.world.handle.stats().errors, 0);
}

pub(crate) fn root(server: &Server) -> mysql_async::OptsBuilder {
    let user = if rustix::process::geteuid().is_root() {
        "root"
    } else {
        "mysql"
    };
    mysql_async::OptsBuilder::default()
        .socket(server.socket.to_str())
        .user(Some(user))
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_when_nobody_knows_what_names_mean_or_the_replica_lags_go_to_the_primary() {
    let split = Split::new(Config {
        wait_max: Duration::from_secs(20),
        ..Config::default()
    });
    let mut reader = split.world.connect().await;
    for _ in 0..5 {
        assert_eq!(who(&mut reader).await.unwrap(), "a");
    }
    split.world.teach(&split.primary);
    settle(&mut reader).await;
    split.replicas.tell(vec![Progress {
        lag: Some(Duration::from_secs(1)),
        ..Progress::default()
    }]);
    let wait = async {
        while who(&mut reader).await.unwrap() != "a" {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), wait)
        .await
        .unwrap();
    assert_eq!(who(&mut reader).await.unwrap(), "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_view_over_a_lock_when_it_was_just_made_is_read_on_the_primary() {
    let split = Split::patient();
    split
        .primary
        .sql("SET GLOBAL log_bin_trust_function_creators = 1");
    let mut client = split.world.connect().await;
    settle(&mut client).await;
    for n in 0..20 {
        for sql in [
            format!("CREATE FUNCTION f{n}() RETURNS INT RETURN GET_LOCK('l{n}', 0)"),
            format!("CREATE VIEW v{n} AS SELECT f{n}() AS a"),
        ] {
            client.query_drop(sql).await.unwrap();
        }
        let sql = format!("SELECT a FROM v{n}");
        let got: Option<u8> = client.query_first(sql).await.unwrap();
        assert_eq!(got, Some(1));
        let held = split
            .primary
            .sql(&format!("SELECT IS_USED_LOCK('l{n}') IS NOT NULL"));
        assert_eq!(held, "1", "the lock of round {n} is held on the primary");
        client = split.world.connect().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_an_account_that_wants_no_freshness_when_the_replica_is_late_are_old() {
    let split = Split::new(Config {
        freshness_of: [("app".to_owned(), Freshness::Nothing)].into(),
        ..Config::default()
    });
    split.world.teach(&split.primary);
    let mut client = split.world.connect().await;
    settle(&mut client).await;
    split.replica.catches_up(&split.primary);
    split.replica.sql("STOP SLAVE SQL_THREAD");
    client
        .query_drop("INSERT INTO t (id, v) VALUES (1, 'x')")
        .await
        .unwrap();
    let count: Option<u32> = client.query_first("SELECT COUNT(*) FROM t").await.unwrap();
    assert_eq!(count, Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_of_an_account_that_is_to_stay_on_the_primary_go_to_no_replica() {
    let split = Split::new(Config {
        freshness_of: [("app".to_owned(), Freshness::Primary)].into(),
        ..Config::default()
    });
    split.world.teach(&split.primary);
    split.replica.catches_up(&split.primary);
    for _ in 0..3 {
        let mut client = split.world.connect().await;
        for _ in 0..20 {
            assert_eq!(who(&mut client).await.unwrap(), "a");
        }
    }
    assert_eq!(split.reads(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_when_the_primary_is_another_one_are_as_fresh_as_before() {
    let split = Split::patient();
    let mut client = split.world.connect().await;
    settle(&mut client).await;
    split.replica.catches_up(&split.primary);
    split.replica.sql("STOP SLAVE; SET GLOBAL read_only=0");
    split.world.switch(Some("b")).await;
    client
        .query_drop("INSERT INTO t (id, v) VALUES (1, 'x')")
        .await
        .unwrap();
    let count: Option<u32> = client.query_first("SELECT COUNT(*) FROM t").await.unwrap();
    assert_eq!(count, Some(1));
    assert_eq!(who(&mut client).await.unwrap(), "b");
    assert_eq!(split.world.handle.stats().errors, 0);
}

/// Connections of applications to this server, by their ids there.
fn visitors(server: &Server) -> String {
    server.sql("SELECT GROUP_CONCAT(id) FROM information_schema.processlist WHERE user = 'app'")
}

/// A client that has read on the replica leaves, after this; how many connections wait then.
async fn visit(split: &Split, statements: &[&str], spare: u64) {
    let mut client = split.world.connect().await;
    for sql in statements {
        client.query_drop(*sql).await.unwrap();
    }
    settle(&mut client).await;
    client.disconnect().await.unwrap();
    let stats = || split.world.handle.stats();
    eventually("its connections wait", || stats().spare as u64 == spare).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_a_replica_when_its_client_has_left_is_to_the_next_as_a_fresh_one() {
    let split = Split::patient();
    let asked = "SELECT FROM_UNIXTIME(0), GROUP_CONCAT(name), 1 || 1 FROM who, (SELECT 1 UNION SELECT 2) twice";
    let mut fresh = split.world.connect().await;
    settle(&mut fresh).await;
    let expected: Option<(String, String, String)> = fresh.query_first(asked).await.unwrap();
    drop(fresh);
    eventually("it waits", || split.world.handle.stats().spare == 2).await;
    let sets = "SET time_zone = '+05:00', group_concat_max_len = 4, sql_mode = 'PIPES_AS_CONCAT'";
    visit(&split, &[sets], 2).await;
    let (before, id) = (split.reads(), visitors(&split.replica));
    let mut next = split.world.connect().await;
    assert_eq!(who(&mut next).await.unwrap(), "b", "its first read");
    let got: Option<(String, String, String)> = next.query_first(asked).await.unwrap();
    assert_eq!(got, expected);
    assert_eq!(split.reads() - before, 2);
    assert_eq!(visitors(&split.replica), id, "the same connection");
    assert_eq!(split.world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_to_a_replica_when_it_is_marked_or_of_no_more_use_waits_for_nobody() {
    let split = Split::patient();
    // Who knows an id may send a KILL.
    visit(&split, &["SELECT CONNECTION_ID()"], 0).await;
    eventually("it is closed", || visitors(&split.replica) == "NULL").await;
    visit(&split, &[], 2).await;
    split.world.route(1, Some("a"));
    eventually("it is closed", || visitors(&split.replica) == "NULL").await;
    eventually("the other waits", || split.world.handle.stats().spare == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_when_the_replica_is_set_otherwise_than_the_primary_go_to_the_primary() {
    let split = Split::patient();
    let global = |server: &Server, length: u32| {
        server.sql(&format!("SET GLOBAL group_concat_max_len={length}"));
    };
    global(&split.replica, 4);
    let mut client = split.world.connect().await;
    let begun = std::time::Instant::now();
    while begun.elapsed() < Duration::from_millis(1500) {
        assert_eq!(who(&mut client).await.unwrap(), "a");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(split.reads(), 0);
    global(&split.primary, 4);
    settle(&mut client).await;
    global(&split.replica, 1024);
    let mut other = split.world.connect().await;
    assert_eq!(who(&mut other).await.unwrap(), "a");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_routine_says_of_the_next_transaction_when_that_is_a_read_holds_for_it_alone() {
    let split = Split::patient();
    split
        .primary
        .sql("SET GLOBAL log_bin_trust_function_creators = 1");
    let mut client = split.world.connect().await;
    for sql in [
        "CREATE PROCEDURE p() SET TRANSACTION READ ONLY",
        "CREATE FUNCTION f() RETURNS INT BEGIN SET TRANSACTION READ ONLY; RETURN 1; END",
    ] {
        client.query_drop(sql).await.unwrap();
    }
    for (n, sql) in [
        "CALL p()",
        "SELECT f()",
        "DO f()",
        "SET @@sort_buffer_size = 16384 * f()",
    ]
    .into_iter()
    .enumerate()
    {
        settle(&mut client).await;
        client.query_drop(sql).await.unwrap();
        assert_eq!(who(&mut client).await.unwrap(), "a", "{sql}");
        let insert = format!("INSERT INTO t (id, v) VALUES ({}, 'x')", n + 1);
        client.query_drop(insert).await.unwrap();
    }
    settle(&mut client).await;
    assert_eq!(split.world.handle.stats().errors, 0);
}
