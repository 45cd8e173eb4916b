//! Idle clients without a connection to the server: many share a few, and none notices.

use std::time::Duration;

use sql_gateway::{Config, Pool};

use crate::raw::Raw;
use crate::server::Server;
use crate::world::{World, eventually, pair};

fn world(server: &Server, per_account: usize, idle_clients: Duration) -> World {
    let world = World::with(Config {
        pool: Pool {
            per_account,
            idle_clients,
            queue_max: Duration::from_mins(1),
            ..Pool::default()
        },
        ..Config::default()
    });
    world.knows("a", server);
    world.knows("b", &pair()[1]);
    world.route(1, Some("a"));
    world
}

const SOON: Duration = Duration::from_millis(20);

/// Waits until no client has a connection.
async fn all_away(world: &World) {
    eventually("all have parted", || {
        let stats = world.handle.stats();
        stats.spare == stats.backends
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_when_they_are_many_and_idle_share_few_connections_and_keep_their_sessions() {
    const CLIENTS: usize = 300;
    let server = Server::start("a");
    let world = world(&server, 4, SOON);
    let mut clients = Vec::new();
    for number in 0..CLIENTS {
        let mut raw = Raw::ready(world.address);
        let texts = match number % 4 {
            0 => vec![format!("SET SESSION max_statement_time={}", number + 1)],
            1 => vec![
                "USE mysql".to_owned(),
                format!("SET SESSION lock_wait_timeout={}", number + 1),
                "SET NAMES latin1".to_owned(),
            ],
            2 => vec![
                "SET SESSION last_insert_id=77".to_owned(),
                "UPDATE t SET v='x' WHERE id=0".to_owned(),
            ],
            _ => vec!["SELECT 1".to_owned()],
        };
        for text in texts {
            assert_ne!(raw.query(&text)[0][0], 0xff, "{text}");
        }
        clients.push(raw);
    }
    assert!(world.handle.stats().backends <= 4);
    all_away(&world).await;
    let state = "SELECT CONCAT_WS('|', DATABASE(), @@max_statement_time, @@lock_wait_timeout, @@collation_connection, \
                 @@sql_mode, @@autocommit, @@last_insert_id)";
    let mut fresh = Raw::ready(([127, 0, 0, 1], server.port).into());
    let usual = fresh.value(state);
    let usual: Vec<&str> = usual.split('|').collect();
    for (number, raw) in clients.iter_mut().enumerate() {
        let (time, wait) = (format!("{}.000000", number + 1), (number + 1).to_string());
        let mut expected = usual.clone();
        match number % 4 {
            0 => expected[1] = &time,
            1 => {
                expected[0] = "mysql";
                expected[2] = &wait;
                expected[3] = "latin1_swedish_ci";
            }
            2 => expected[6] = "77",
            _ => {}
        }
        assert_eq!(raw.value(state), expected.join("|"), "client {number}");
    }
    let stats = world.handle.stats();
    assert_eq!((stats.errors, stats.moved), (0, 0));
    assert!(stats.backends <= 4 && stats.connections == CLIENTS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_when_something_of_it_cannot_be_made_again_keeps_its_connection() {
    let world = world(&pair()[0], 0, SOON);
    let mut clients = Vec::new();
    for (make, ask, answer) in [
        ("SET @a = 5", "SELECT @a", "5"),
        (
            "SELECT GET_LOCK('kept', 1)",
            "SELECT IS_USED_LOCK('kept') = CONNECTION_ID()",
            "1",
        ),
        (
            "CREATE TEMPORARY TABLE kept (a INT)",
            "SELECT COUNT(*) FROM kept",
            "0",
        ),
        ("BEGIN", "SELECT @@in_transaction", "1"),
        ("SELECT CONNECTION_ID()", "SELECT 1", "1"),
        ("SELECT CAST('x' AS INT)", "SHOW WARNINGS", "Warning"),
        ("PREPARE s FROM 'SELECT 7'", "EXECUTE s", "7"),
        (
            "SET NAMES utf8mb4 COLLATE utf8mb4_german2_ci",
            "SELECT COLLATION('a')",
            "utf8mb4_german2_ci",
        ),
        (
            "INSERT INTO t (id, v) VALUES (-77, 'x')",
            "SELECT LAST_INSERT_ID()",
            "0",
        ),
    ] {
        let mut raw = Raw::ready(world.address);
        assert_ne!(raw.query(make)[0][0], 0xff, "{make}");
        clients.push((raw, ask, answer));
    }
    tokio::time::sleep(SOON * 10).await;
    for (raw, ask, answer) in &mut clients {
        assert_eq!(raw.value(ask), *answer, "{ask}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_connection_when_it_looks_back_hears_why_and_when_killed_ends() {
    let world = world(&pair()[0], 0, SOON);
    let mut raw = Raw::ready(world.address);
    raw.query("SELECT SQL_CALC_FOUND_ROWS * FROM who LIMIT 1");
    all_away(&world).await;
    let (code, text) = raw.error("SELECT FOUND_ROWS()");
    assert_eq!(code, 1213, "{text}");
    assert!(text.contains("idle"), "{text}");
    raw.query("SELECT SQL_CALC_FOUND_ROWS * FROM who LIMIT 1");
    assert_eq!(raw.value("SELECT FOUND_ROWS()"), "1");
    // It has been seen to look back: from now on it keeps its connection.
    tokio::time::sleep(SOON * 10).await;
    assert_eq!(raw.value("SELECT FOUND_ROWS()"), "1");
    drop(raw);
    let (mut idle, mut killer) = (Raw::ready(world.address), Raw::ready(world.address));
    assert_eq!(idle.value("SELECT 1"), "1");
    let id = idle.greeting.thread;
    all_away(&world).await;
    assert_eq!(killer.query(&format!("KILL QUERY {id}"))[0][0], 0);
    assert_eq!(idle.value("SELECT 1"), "1");
    all_away(&world).await;
    assert_eq!(killer.query(&format!("KILL {id}"))[0][0], 0);
    assert!(idle.is_closed());
    eventually("it has left", || world.handle.stats().connections == 1).await;
    assert_eq!(killer.error(&format!("KILL {id}")).0, 1094);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_a_connection_when_the_primary_changes_goes_on_there() {
    let world = world(&pair()[0], 0, SOON);
    let mut raw = Raw::ready(world.address);
    raw.query("SET SESSION max_statement_time=9");
    all_away(&world).await;
    world.switch(Some("b")).await;
    assert_eq!(raw.value("SELECT name FROM who"), "b");
    assert_eq!(raw.value("SELECT @@max_statement_time"), "9.000000");
    let stats = world.handle.stats();
    assert_eq!((stats.moved, stats.errors), (0, 0));
}
