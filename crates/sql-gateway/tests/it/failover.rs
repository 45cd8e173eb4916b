//! The primary dies, freezes or refuses; what clients see.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use sql_gateway::Config;

use crate::raw::Raw;
use crate::server::Server;
use crate::world::{World, error_of, eventually, pair, who};

/// A gateway before a server of its own (`z`, primary) and `b`.
fn world_with(server: &Server) -> World {
    let world = World::new();
    world.knows("z", server);
    world.knows("b", &pair()[1]);
    world.route(1, Some("z"));
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn idle_sessions_when_the_primary_is_killed_wait_and_go_on_elsewhere() {
    let mut server = Server::start("z");
    let world = world_with(&server);
    let mut conn = world.connect().await;
    assert_eq!(who(&mut conn).await.unwrap(), "z");
    server.kill();
    let statement = tokio::spawn(async move { (who(&mut conn).await, conn) });
    eventually("the statement is held", || world.handle.stats().held == 1).await;
    world.switch(None).await;
    world.switch(Some("b")).await;
    let (name, _conn) = statement.await.unwrap();
    assert_eq!(name.unwrap(), "b");
    assert_eq!(world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_when_only_it_breaks_is_replaced_at_the_next_statement() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    raw.query("SET SESSION sql_mode='ANSI'");
    let id = raw.value("SELECT CONNECTION_ID()");
    pair()[0].sql(&format!("KILL {id}"));
    let mode = raw.value("SELECT @@sql_mode");
    assert!(mode.contains("ANSI"), "{mode}");
    assert_ne!(raw.value("SELECT CONNECTION_ID()"), id);
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_in_flight_when_the_primary_freezes_and_is_deposed_end_at_once() {
    let server = Server::start("z");
    let world = world_with(&server);
    let (mut read, mut write, mut inside) = (
        Raw::ready(world.address),
        Raw::ready(world.address),
        Raw::ready(world.address),
    );
    inside.query("BEGIN");
    inside.query("INSERT INTO t (v) VALUES ('inside')");
    server.freeze(true);
    let read = tokio::task::spawn_blocking(move || read.value("SELECT name FROM who"));
    let write = tokio::task::spawn_blocking(move || {
        (
            write.error("INSERT INTO t (v) VALUES ('frozen')"),
            write.is_closed(),
        )
    });
    let inside = tokio::task::spawn_blocking(move || {
        (
            inside.error("UPDATE t SET v = 'y'"),
            inside.value("SELECT name FROM who"),
        )
    });
    eventually("all are in flight", || {
        world.handle.stats().open_transactions == 3
    })
    .await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let started = Instant::now();
    world.switch(Some("b")).await;
    assert_eq!(read.await.unwrap(), "b", "a plain read runs again");
    let ((code, text), closed) = write.await.unwrap();
    assert_eq!((code, closed), (1927, true), "{text}");
    assert!(text.contains("outcome is unknown"), "{text}");
    let ((code, text), name) = inside.await.unwrap();
    assert_eq!(code, 1213, "{text}");
    assert_eq!(name, "b");
    assert!(
        started.elapsed() < Duration::from_secs(2),
        "{:?}",
        started.elapsed()
    );
    server.freeze(false);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_in_flight_when_the_primary_is_lost_is_never_guessed() {
    let server = Server::start("z");
    let world = world_with(&server);
    for commit in [
        "COMMIT",
        "SET autocommit=1",
        "CREATE TABLE x (a INT)",
        "INSERT INTO t VALUES (); COMMIT",
        "CALL p()",
    ] {
        let mut raw = Raw::ready(world.address);
        raw.query("BEGIN");
        raw.query("INSERT INTO t (v) VALUES ('commit')");
        server.freeze(true);
        let commit = commit.to_owned();
        let outcome = tokio::task::spawn_blocking(move || (raw.error(&commit), raw.is_closed()));
        eventually("it is in flight", || {
            world.handle.stats().statements.is_multiple_of(3)
        })
        .await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.switch(Some("b")).await;
        let ((code, text), closed) = outcome.await.unwrap();
        assert_eq!((code, closed), (1927, true), "{text}");
        assert!(text.contains("unknown"), "{text}");
        server.freeze(false);
        world.switch(Some("z")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_when_it_breaks_off_in_the_middle_is_an_error_not_a_short_result() {
    let mut server = Server::start("z");
    server.sql("USE shop; INSERT INTO t (v) SELECT REPEAT('x', 200) FROM seq_1_to_200000");
    let world = world_with(&server);
    let mut raw = Raw::ready(world.address);
    raw.stream_command(b"\x03SELECT * FROM t");
    for _ in 0..1000 {
        raw.read().unwrap();
    }
    server.kill();
    world.switch(Some("b")).await;
    let ended = tokio::task::spawn_blocking(move || {
        loop {
            match raw.read() {
                Ok(packet) if packet[0] == 0xff => return "error",
                Ok(packet) if packet[0] == 0xfe && packet.len() < 9 => return "complete",
                Ok(_) => {}
                Err(_) => return "closed",
            }
        }
    });
    assert_ne!(ended.await.unwrap(), "complete");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_when_the_primary_is_read_only_waits_for_the_next_one() {
    let server = Server::start("z");
    let world = world_with(&server);
    let mut conn = world.connect().await;
    let prepared = conn.prep("INSERT INTO t (v) VALUES (?)").await.unwrap();
    server.sql("SET GLOBAL read_only=1");
    let mut other = world.connect().await;
    let text = tokio::spawn(async move {
        other
            .query_drop("INSERT INTO t (v) VALUES ('ro text')")
            .await
    });
    let binary = tokio::spawn(async move { conn.exec_drop(&prepared, ("ro binary",)).await });
    eventually("both are held", || world.handle.stats().held == 2).await;
    world.switch(Some("b")).await;
    text.await.unwrap().unwrap();
    binary.await.unwrap().unwrap();
    assert_eq!(
        server.sql("SELECT COUNT(*) FROM shop.t WHERE v LIKE 'ro %'"),
        "0"
    );
    assert_eq!(
        pair()[1].sql("SELECT COUNT(*) FROM shop.t WHERE v LIKE 'ro %'"),
        "2"
    );
    assert_eq!(world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_when_a_switchover_is_called_off_goes_to_the_old_primary() {
    let server = Server::start("z");
    let world = world_with(&server);
    let mut conn = world.connect().await;
    server.sql("SET GLOBAL read_only=1");
    let write =
        tokio::spawn(async move { conn.query_drop("INSERT INTO t (v) VALUES ('back')").await });
    eventually("it is held", || world.handle.stats().held == 1).await;
    server.sql("SET GLOBAL read_only=0");
    write.await.unwrap().unwrap();
    assert_eq!(
        server.sql("SELECT COUNT(*) FROM shop.t WHERE v = 'back'"),
        "1"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_when_read_only_lasts_gets_the_servers_own_error() {
    let server = Server::start("z");
    let world = World::with(Config {
        hold_max: Duration::from_millis(500),
        ..Config::default()
    });
    world.knows("z", &server);
    world.route(1, Some("z"));
    let mut conn = world.connect().await;
    server.sql("SET GLOBAL read_only=1");
    let (code, text) = error_of(conn.query_drop("INSERT INTO t (v) VALUES ('x')").await);
    assert_eq!(code, 1290, "{text}");
    assert_eq!(who(&mut conn).await.unwrap(), "z");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_when_no_primary_comes_gets_one_clear_error_and_the_session_goes_on() {
    let world = World::with(Config {
        hold_max: Duration::from_millis(300),
        ..Config::default()
    });
    world.knows("a", &pair()[0]);
    world.route(1, Some("a"));
    let mut raw = Raw::ready(world.address);
    world.switch(None).await;
    let (code, text) = raw.error("INSERT INTO t (v) VALUES ('never')");
    assert_eq!(code, 1053);
    assert!(
        text.contains("no primary") && text.contains("not executed"),
        "{text}"
    );
    world.switch(Some("a")).await;
    assert_eq!(raw.value("SELECT name FROM who"), "a");
    assert_eq!(world.handle.stats().held, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_of_an_older_epoch_when_announced_is_ignored() {
    let world = World::before_pair();
    world.switch(Some("b")).await;
    let mut raw = Raw::ready(world.address);
    world.route(1, Some("a"));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(raw.value("SELECT name FROM who"), "b");
    assert_eq!(world.handle.stats().epoch, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_whose_connection_a_global_setting_ends_at_commit_goes_on_with_another() {
    let server = Server::start("z");
    server.sql("SET GLOBAL completion_type = 2");
    let world = world_with(&server);
    let mut raw = Raw::ready(world.address);
    raw.query("SET SESSION max_statement_time = 7.5");
    let id = raw.value("SELECT CONNECTION_ID()");
    raw.query("BEGIN");
    raw.query("INSERT INTO t (v) VALUES ('x')");
    assert_eq!(raw.query("COMMIT")[0][0], 0);
    let left = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {id}");
    eventually("the server has ended it", || server.sql(&left) == "0").await;
    assert_eq!(raw.value("SELECT @@max_statement_time"), "7.500000");
    assert_ne!(raw.value("SELECT CONNECTION_ID()"), id);
    // What it says itself is seen.
    assert_eq!(raw.query("COMMIT RELEASE")[0][0], 0);
    assert!(raw.is_closed());
}
