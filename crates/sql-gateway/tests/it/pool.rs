//! A connection that had been another client's is to the next one as a fresh one, for everything that a statement can show.

use std::time::Duration;

use sql_gateway::{Config, Pool};
use wire::{flags, native};

use crate::raw::{PLAIN, Raw};
use crate::server::Server;
use crate::world::{PW, World, eventually, pair, proof};

/// Before server `a`, with and without a pool.
fn world(pool: Pool) -> World {
    let world = World::with(Config {
        pool,
        ..Config::default()
    });
    world.knows("a", &pair()[0]);
    world.knows("b", &pair()[1]);
    world.route(1, Some("a"));
    world
}

fn off() -> Pool {
    Pool {
        enabled: false,
        ..Pool::default()
    }
}

/// Leaves, and returns when its connection waits for the next client.
async fn leave(world: &World, mut raw: Raw) {
    assert_eq!(raw.command(b"\x0e")[0], 0);
    raw.stream_command(b"\x01");
    assert!(raw.is_closed());
    eventually("its connection waits", || world.handle.stats().spare == 1).await;
}

/// A statement's whole answer, with what differs from one connection to the next by its nature taken out.
fn ask(raw: &mut Raw, text: &str) -> Vec<Vec<u8>> {
    let mut answer = raw.query(text);
    if answer[0][0] == 0 {
        // Behind its warnings an OK may tell the id of a transaction.
        answer[0].truncate(7);
    }
    answer
}

/// What one client may leave, and what another would see of it.
const TRACES: &[(&str, &str)] = &[
    (
        "INSERT INTO t (v) VALUES ('x'), ('y')",
        "SELECT ROW_COUNT(), LAST_INSERT_ID(), @@last_insert_id, @@identity",
    ),
    (
        "SELECT SQL_CALC_FOUND_ROWS 1 UNION SELECT 2 UNION SELECT 3",
        "SELECT FOUND_ROWS()",
    ),
    (
        "SET SESSION sql_select_limit=0",
        "SELECT @@sql_select_limit, FOUND_ROWS()",
    ),
    ("SELECT CAST('x' AS INT), 1/0", "SHOW WARNINGS"),
    (
        "SELECT CAST('x' AS INT)",
        "SELECT @@warning_count, @@error_count",
    ),
    ("SELECT nonsense", "SHOW ERRORS"),
    ("SET @a = 5", "SELECT @a"),
    (
        "CREATE TEMPORARY TABLE left_here (a INT)",
        "SELECT * FROM left_here",
    ),
    (
        "CREATE TEMPORARY TABLE who SELECT 'mine' AS name",
        "SELECT name FROM who",
    ),
    ("SELECT GET_LOCK('left', 1)", "SELECT IS_FREE_LOCK('left')"),
    ("LOCK TABLES t WRITE", "SELECT COUNT(*) FROM who"),
    (
        "FLUSH TABLES WITH READ LOCK",
        "CREATE OR REPLACE TABLE writes (a INT)",
    ),
    ("BACKUP STAGE START", "BACKUP STAGE END"),
    ("BEGIN", "SELECT @@in_transaction"),
    (
        "START TRANSACTION READ ONLY",
        "CREATE OR REPLACE TABLE writes (a INT)",
    ),
    ("SET TRANSACTION READ ONLY", "INSERT INTO writes VALUES (1)"),
    (
        "SET SESSION TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ ONLY",
        "SELECT @@tx_isolation, @@tx_read_only",
    ),
    ("SET autocommit=0", "SELECT @@autocommit"),
    (
        "SET sql_mode='ANSI_QUOTES,NO_BACKSLASH_ESCAPES'",
        "SELECT @@sql_mode, 'a\\nb'",
    ),
    (
        "SET NAMES latin1 COLLATE latin1_bin",
        "SELECT @@character_set_client, @@character_set_results, @@collation_connection",
    ),
    (
        "SET collation_connection=utf8mb4_bin",
        "SELECT @@character_set_connection, @@collation_connection",
    ),
    (
        "SET character_set_server=latin2, character_set_database=latin2",
        "SELECT @@collation_server, @@collation_database",
    ),
    (
        "SET character_set_filesystem=latin1",
        "SELECT @@character_set_filesystem",
    ),
    ("USE mysql", "SELECT DATABASE()"),
    ("SET ROLE helper", "SELECT CURRENT_ROLE()"),
    ("CALL takes_role()", "SELECT CURRENT_ROLE()"),
    ("HANDLER t OPEN", "HANDLER t READ FIRST"),
    ("PREPARE s FROM 'SELECT 1'", "EXECUTE s"),
    ("SELECT NEXT VALUE FOR numbers", "SELECT LASTVAL(numbers)"),
    ("INSERT INTO t (v) VALUES ('x')", "SELECT @@last_gtid"),
    (
        "SET gtid_domain_id=7, gtid_seq_no=100000, server_id=99",
        "SELECT @@gtid_domain_id, @@gtid_seq_no, @@server_id",
    ),
    (
        "SET sql_log_bin=0, binlog_format=ROW",
        "SELECT @@sql_log_bin, @@binlog_format",
    ),
    ("SET profiling=1", "SHOW PROFILES"),
    (
        "SELECT COUNT(*) FROM t",
        "SHOW SESSION STATUS WHERE Variable_name IN ('Com_select', 'Com_insert', 'Handler_read_first', 'Handler_write')",
    ),
    (
        "SET wait_timeout=5, interactive_timeout=6",
        "SELECT @@wait_timeout, @@interactive_timeout",
    ),
    (
        "SET time_zone='+05:00', lc_time_names='de_DE'",
        "SELECT @@time_zone, @@lc_time_names",
    ),
    (
        "SET foreign_key_checks=0, unique_checks=0, sql_safe_updates=1",
        "SELECT @@foreign_key_checks, @@unique_checks, @@sql_safe_updates",
    ),
    (
        "SET default_storage_engine=MyISAM",
        "SELECT @@default_storage_engine",
    ),
    (
        "SET innodb_lock_wait_timeout=3, innodb_table_locks=0",
        "SELECT @@innodb_lock_wait_timeout, @@innodb_table_locks",
    ),
    (
        "SET max_statement_time=9, skip_replication=1",
        "SELECT @@max_statement_time, @@skip_replication",
    ),
    (
        "SET system_versioning_asof='2020-01-01'",
        "SELECT @@system_versioning_asof",
    ),
    (
        "SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT='boo'",
        "SHOW WARNINGS",
    ),
    ("XA START 'left'", "SELECT @@in_transaction"),
    (
        "SET session_track_schema=0",
        "SELECT @@session_track_schema",
    ),
    ("SET timestamp=1234", "SELECT NOW() > '2020-01-01'"),
    ("SET insert_id=777777", "SELECT @@insert_id"),
    (
        "SET rand_seed1=1, rand_seed2=2",
        "SELECT RAND() = 0.00000009313225754828429",
    ),
];

/// Everything that differs between two transcripts.
fn differing(fresh: &[Vec<Vec<u8>>], again: &[Vec<Vec<u8>>]) -> Vec<String> {
    let pairs = TRACES.iter().zip(fresh.iter().zip(again));
    let differ = pairs.filter(|(_, (fresh, again))| fresh != again);
    let show = |answer: &[Vec<u8>]| {
        let packets: Vec<String> = answer
            .iter()
            .map(|p| p.escape_ascii().to_string())
            .collect();
        packets.join(" ")
    };
    differ
        .map(|((make, ask), (fresh, again))| {
            format!(
                "{make}; {ask}\n  fresh {}\n  again {}",
                show(fresh),
                show(again)
            )
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_when_it_follows_another_finds_nothing_of_it() {
    pair()[0].sql(
        "CREATE OR REPLACE ROLE helper; GRANT helper TO app@localhost; USE shop; CREATE OR REPLACE SEQUENCE numbers; \
         CREATE OR REPLACE TABLE writes (a INT); CREATE OR REPLACE PROCEDURE takes_role() SET ROLE helper",
    );
    let (plain, pooled) = (world(off()), world(Pool::default()));
    for capabilities in [PLAIN, PLAIN | flags::SESSION_TRACK] {
        let log_in = |world: &World| {
            let mut raw = Raw::open(world.address);
            let ok = raw.log_in(capabilities, native::PLUGIN, "app");
            assert_eq!(ok[0], 0);
            (raw, ok)
        };
        let (mut fresh, mut again) = (Vec::new(), Vec::new());
        for (make, question) in TRACES {
            let (mut one, fresh_ok) = log_in(&plain);
            fresh.push(ask(&mut one, question));
            let (mut first, _) = log_in(&pooled);
            ask(&mut first, make);
            first.stream_command(b"\x01");
            assert!(first.is_closed());
            eventually("it is cleaned or ended", || {
                let stats = pooled.handle.stats();
                stats.spare == stats.backends
            })
            .await;
            let (mut next, ok) = log_in(&pooled);
            assert_eq!(ok, fresh_ok, "{make}: the login's answer");
            again.push(ask(&mut next, question));
            drop((one, next));
            eventually("both have gone", || pooled.handle.stats().connections == 0).await;
        }
        let differing = differing(&fresh, &again);
        assert!(differing.is_empty(), "{}", differing.join("\n"));
    }
    let reused = pooled.handle.stats().reused;
    assert!(reused > TRACES.len() as u64, "only {reused} of them shared");
    assert_eq!(plain.handle.stats().reused, 0);
    pooled.end().await;
}

/// Connections of the server that somebody other than the administrator has.
fn connections(server: &Server) -> usize {
    let count = "SELECT COUNT(*) FROM information_schema.processlist WHERE user NOT IN ('root', 'mysql', 'system user', 'event_scheduler')";
    server.sql(count).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_when_they_come_one_by_one_share_one_connection() {
    let server = Server::start("a");
    let world = World::new();
    world.knows("a", &server);
    world.route(1, Some("a"));
    for _ in 0..5 {
        let mut raw = Raw::ready(world.address);
        assert_eq!(raw.value("SELECT name FROM who"), "a");
        leave(&world, raw).await;
    }
    assert_eq!(world.handle.stats().reused, 4);
    assert_eq!(connections(&server), 1);
    // While nobody comes the server is asked again, so that the next one need not wait for that.
    let asked = || {
        let count = "SELECT VARIABLE_VALUE FROM information_schema.global_status WHERE VARIABLE_NAME='COM_SET_OPTION'";
        server.sql(count).parse::<u32>().unwrap_or(0)
    };
    let before = asked();
    eventually("it is asked again", || asked() > before + 1).await;
    let mut raw = Raw::ready(world.address);
    assert_eq!(raw.value("SELECT name FROM who"), "a");
    leave(&world, raw).await;
    assert_eq!(world.handle.stats().reused, 5);
    // One that runs a statement, or vanishes while it does, leaves nothing to share.
    let mut raw = Raw::ready(world.address);
    raw.write_command("DO SLEEP(100)");
    eventually("it runs", || world.handle.stats().open_transactions == 1).await;
    drop(raw);
    eventually("its connection ends", || world.handle.stats().backends == 0).await;
    // Nor does one that knows its connection's id.
    let mut raw = Raw::ready(world.address);
    raw.value("SELECT CONNECTION_ID()");
    drop(raw);
    eventually("its connection ends", || world.handle.stats().backends == 0).await;
    assert_eq!(world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_when_they_wait_too_long_or_are_killed_or_lead_elsewhere_end() {
    let server = Server::start("a");
    let world = World::with(Config {
        pool: Pool {
            idle_time: Duration::from_secs(2),
            ..Pool::default()
        },
        ..Config::default()
    });
    world.knows("a", &server);
    world.knows("b", &pair()[1]);
    world.route(1, Some("a"));
    leave(&world, Raw::ready(world.address)).await;
    eventually("it has waited long enough", || {
        world.handle.stats().backends == 0
    })
    .await;
    leave(&world, Raw::ready(world.address)).await;
    world.switch(Some("b")).await;
    eventually("it is of another epoch", || {
        world.handle.stats().backends == 0
    })
    .await;
    world.switch(Some("a")).await;
    leave(&world, Raw::ready(world.address)).await;
    server.sql("KILL USER app");
    eventually("it is killed", || connections(&server) == 0).await;
    let mut raw = Raw::ready(world.address);
    assert_eq!(raw.query("INSERT INTO t (v) VALUES ('x')")[0][0], 0);
    assert_eq!(world.handle.stats().reused, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_when_it_is_changed_is_good_for_nobody_a_second_later() {
    let server = Server::start("a");
    let world = World::new();
    world.knows("a", &server);
    world.route(1, Some("a"));
    leave(&world, Raw::ready(world.address)).await;
    // The gateway's table does not hear of it.
    server.sql("SET PASSWORD FOR app@localhost = PASSWORD('new')");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut raw = Raw::open(world.address);
    let answer = raw.log_in(PLAIN, native::PLUGIN, "app");
    assert_eq!(wire::reply::ErrPacket::parse(&answer).unwrap().code, 1045);
    eventually("its connection ends", || connections(&server) == 0).await;
    assert!(world.handle.stats().spare == 0);
    assert!(!world.table.stale.lock().unwrap().is_empty());
    // And as soon as the table hears of it, none waits for it any more.
    server.sql("SET PASSWORD FOR app@localhost = PASSWORD('pw')");
    leave(&world, Raw::ready(world.address)).await;
    let other = "*0000000000000000000000000000000000000000";
    let table = proof("mysql_native_password", Some(other));
    world
        .table
        .users
        .lock()
        .unwrap()
        .insert("app".to_owned(), table);
    eventually("none waits", || world.handle.stats().backends == 0).await;
    let table = proof("mysql_native_password", Some(PW));
    world
        .table
        .users
        .lock()
        .unwrap()
        .insert("app".to_owned(), table);
    // A right that was taken away is gone for who comes later, and one that was given is there.
    leave(&world, Raw::ready(world.address)).await;
    server.sql("REVOKE ALL ON *.* FROM app@localhost; GRANT SELECT ON shop.who TO app@localhost");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut raw = Raw::ready(world.address);
    assert_eq!(raw.value("SELECT name FROM who"), "a");
    assert_eq!(raw.error("SELECT * FROM t").0, 1142);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_when_all_its_connections_are_in_use_waits_in_line_until_its_deadline() {
    let server = Server::start("a");
    let world = World::with(Config {
        pool: Pool {
            per_account: 2,
            queue_max: Duration::from_millis(300),
            ..Pool::default()
        },
        ..Config::default()
    });
    world.knows("a", &server);
    world.route(1, Some("a"));
    let (first, mut second) = (Raw::ready(world.address), Raw::ready(world.address));
    let mut late = Raw::open(world.address);
    let answer = late.log_in(PLAIN, native::PLUGIN, "app");
    let err = wire::reply::ErrPacket::parse(&answer).unwrap();
    let text = String::from_utf8_lossy(err.message).into_owned();
    assert_eq!(err.code, 1203, "{text}");
    assert!(
        text.contains("'app' has 2 connections") && text.contains("0.3 s"),
        "{text}"
    );
    assert!(late.is_closed());
    // Another account has its own.
    let mut empty = Raw::open(world.address);
    assert_eq!(empty.log_in_empty("empty")[0], 0);
    second.value("SELECT CONNECTION_ID()");
    for leaves in [first, second] {
        let address = world.address;
        let queued = world.handle.stats().queued;
        let waits = tokio::task::spawn_blocking(move || {
            let mut raw = Raw::open(address);
            (raw.log_in(PLAIN, native::PLUGIN, "app")[0], raw)
        });
        eventually("it waits", || world.handle.stats().queued > queued).await;
        drop(leaves);
        let (answer, mut raw) = waits.await.unwrap();
        assert_eq!(answer, 0);
        assert_eq!(raw.value("SELECT name FROM who"), "a");
    }
    assert!(world.handle.stats().backends <= 3);
}
