//! KILL finds its target by both ids, and reads on a replica or on their way there; an OK that comes after it is never passed on.

use std::time::Duration;

use mysql_async::prelude::Queryable;
use sql_gateway::{Config, Handle};

use crate::raw::Raw;
use crate::server::Server;
use crate::split::{Split, root, settle};
use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_when_it_names_the_id_of_the_greeting_reaches_the_statement() {
    let world = World::before_pair();
    for by_server_id in [false, true] {
        let (mut sleeper, mut killer) = (Raw::ready(world.address), Raw::ready(world.address));
        let server_id = sleeper.value("SELECT CONNECTION_ID()");
        let id = if by_server_id {
            server_id
        } else {
            sleeper.greeting.thread.to_string()
        };
        let sleeping = tokio::task::spawn_blocking(move || sleeper.error("DO SLEEP(30)"));
        eventually("it sleeps", || world.handle.stats().open_transactions == 1).await;
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        assert_eq!(killer.query(&format!("KILL QUERY {id}"))[0][0], 0);
        // SLEEP in DO ends with an error or with an OK, which is not passed on.
        let (code, text) = sleeping.await.unwrap();
        assert!(code == 1317 || code == 1927, "{code} {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_when_killed_and_answered_with_ok_is_told_as_unknown() {
    // A commit that waits for its acknowledgement: KILL QUERY makes the server say OK for it (10.11.19).
    let server = Server::start("z");
    server.sql(
        "SET GLOBAL rpl_semi_sync_master_timeout=4294967295; SET GLOBAL rpl_semi_sync_master_wait_point=AFTER_SYNC; \
         SET GLOBAL rpl_semi_sync_master_enabled=1",
    );
    let world = World::new();
    world.knows("z", &server);
    world.route(1, Some("z"));
    let (mut writer, mut killer) = (Raw::ready(world.address), Raw::ready(world.address));
    let id = writer.greeting.thread;
    let writing = tokio::task::spawn_blocking(move || {
        (
            writer.error("INSERT INTO t (v) VALUES ('unacknowledged')"),
            writer.is_closed(),
        )
    });
    let waits = "SELECT COUNT(*) FROM information_schema.processlist WHERE state LIKE 'Waiting for semi-sync%'";
    eventually("it waits for its acknowledgement", || {
        server.sql(waits) == "1"
    })
    .await;
    assert_eq!(killer.query(&format!("KILL QUERY {id}"))[0][0], 0);
    let ((code, text), closed) = writing.await.unwrap();
    assert_eq!((code, closed), (1927, true), "{text}");
    assert!(text.contains("outcome is unknown"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_waits_when_killed_is_interrupted_by_its_own_user_only() {
    let world = World::before_pair();
    let mut waiter = Raw::ready(world.address);
    let id = waiter.greeting.thread;
    let mut killer = Raw::ready(world.address);
    killer.query("BEGIN");
    let hold = world.handle.hold(std::time::Duration::from_millis(1)).await;
    assert_eq!(hold.open_transactions, 1);
    let waiting = tokio::task::spawn_blocking(move || waiter.error("SELECT 1"));
    eventually("it waits", || world.handle.stats().held == 1).await;
    assert_eq!(killer.query(&format!("KILL QUERY {id}"))[0][0], 0);
    assert_eq!(waiting.await.unwrap().0, 1317);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_when_it_is_no_plain_id_is_refused_with_a_reason() {
    let world = World::before_pair();
    let mut raw = Raw::ready(world.address);
    for text in ["KILL USER app", "KILL QUERY ID 5", "KILL (SELECT 1)"] {
        assert_eq!(raw.error(text).0, 1235, "{text}");
    }
    assert_eq!(raw.error("KILL 999999999").0, 1094);
}

/// Kills the statement of `id` until the answer is there; returns its error.
/// Why with the reader: once it is gone there is nobody to be killed.
async fn kill_until_answered(
    killer: &mut Raw,
    id: u32,
    reading: tokio::task::JoinHandle<(Raw, u16, String)>,
) -> (u16, String) {
    let kill = format!("KILL QUERY {id}");
    let end = std::time::Instant::now() + Duration::from_mins(1);
    while !reading.is_finished() {
        assert!(std::time::Instant::now() < end, "it is not killed");
        let answer = killer.query(&kill);
        assert_eq!(answer[0][0], 0, "{:?}", String::from_utf8_lossy(&answer[0]));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (_reader, code, text) = reading.await.unwrap();
    (code, text)
}

/// Reads until the gateway itself has answered with an error; returns that.
///
/// Why not the first one: on a busy machine a read goes to the primary, where it has an answer, or the server's own error when it
/// is killed. The gateway's count may be a moment late.
fn read_until_told(mut reader: Raw, sql: &str, handle: &Handle) -> (Raw, u16, String) {
    let end = std::time::Instant::now() + Duration::from_mins(1);
    let mut told = (0, String::new());
    loop {
        let packets = reader.query(sql);
        if let Some(err) = wire::reply::ErrPacket::parse(packets.last().unwrap()) {
            told = (err.code, String::from_utf8_lossy(err.message).into_owned());
        }
        if handle.stats().errors > 0 && told.0 != 0 || std::time::Instant::now() > end {
            return (reader, told.0, told.1);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_waits_for_a_connection_to_a_replica_when_killed_is_interrupted() {
    let split = Split::new(Config {
        connect_timeout: Duration::from_mins(5),
        ..Config::default()
    });
    split.world.teach(&split.primary);
    let mut first = split.world.connect().await;
    settle(&mut first).await;
    split.replica.freeze(true);
    let mut killer = Raw::ready(split.world.address);
    let reader = Raw::ready(split.world.address);
    let id = reader.greeting.thread;
    let handle = split.world.handle.clone();
    let sql = "SELECT name FROM who";
    let reading = tokio::task::spawn_blocking(move || read_until_told(reader, sql, &handle));
    let (code, text) = kill_until_answered(&mut killer, id, reading).await;
    split.replica.freeze(false);
    assert_eq!(code, 1317, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_waits_for_the_primarys_word_when_killed_is_interrupted() {
    let split = Split::patient();
    let mut reader = Raw::open(split.world.address);
    assert_eq!(reader.log_in_empty("empty")[0], 0);
    let mut killer = Raw::open(split.world.address);
    assert_eq!(killer.log_in_empty("empty")[0], 0);
    let id = reader.greeting.thread;
    let own = [&mut reader, &mut killer].map(|raw| raw.value("SELECT CONNECTION_ID()"));
    let sql = "SELECT name FROM shop.who";
    let mut answer = String::new();
    eventually("it reads on the replica", || {
        answer = reader.value(sql);
        answer == "b"
    })
    .await;
    // From now on who asks the primary how far it is logs in and hears nothing for long.
    split.primary.sql("SET GLOBAL init_connect='DO SLEEP(30)'");
    let askers = "SELECT GROUP_CONCAT(CONCAT('KILL ', id) SEPARATOR ';') FROM information_schema.processlist \
        WHERE user = 'empty' AND id NOT IN";
    let kills = split
        .primary
        .sql(&format!("{askers} ({}, {})", own[0], own[1]));
    split.primary.sql(&kills);
    let handle = split.world.handle.clone();
    let reading = tokio::task::spawn_blocking(move || read_until_told(reader, sql, &handle));
    let (code, text) = kill_until_answered(&mut killer, id, reading).await;
    assert_eq!(code, 1317, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_on_a_replica_over_a_connection_that_another_client_left_when_killed_is_interrupted()
{
    let split = Split::patient();
    let mut first = Raw::ready(split.world.address);
    eventually("it reads on the replica", || {
        first.value("SELECT name FROM who") == "b"
    })
    .await;
    first.stream_command(&[1]);
    let stats = || split.world.handle.stats();
    eventually("its connections wait", || stats().spare == 2).await;
    // Why in this order: it comes to the thread on which that connection waits.
    let mut reader = Raw::ready(split.world.address);
    let mut killer = Raw::ready(split.world.address);
    let mut lock = mysql_async::Conn::new(root(&split.replica)).await.unwrap();
    lock.query_drop("LOCK TABLES shop.who WRITE").await.unwrap();
    let (before, id) = (split.reads(), reader.greeting.thread);
    let reading = tokio::task::spawn_blocking(move || {
        let (code, text) = reader.error("SELECT name FROM who");
        (reader, code, text)
    });
    eventually("the read runs there", || split.reads() > before).await;
    let (code, text) = kill_until_answered(&mut killer, id, reading).await;
    assert_eq!(code, 1317, "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_when_its_connection_is_killed_is_rolled_back_and_not_run_again() {
    let world = World::before_pair();
    let mut holder = Raw::ready(world.address);
    holder.query("CREATE TABLE killed (id INT PRIMARY KEY, v VARCHAR(20))");
    holder.query("INSERT INTO killed VALUES (1, 'held')");
    holder.query("BEGIN");
    holder.query("UPDATE killed SET v = 'still held' WHERE id = 1");
    let (mut waiter, mut killer) = (Raw::ready(world.address), Raw::ready(world.address));
    let id = waiter.greeting.thread;
    waiter.query("BEGIN");
    waiter.query("INSERT INTO killed VALUES (2, 'of the killed')");
    let waiting = tokio::task::spawn_blocking(move || {
        let told = waiter.error("UPDATE killed SET v = 'late' WHERE id = 1");
        (told, waiter.is_closed())
    });
    let waits =
        "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'UPDATE%killed%late%'";
    eventually("it runs", || killer.value(waits) == "1").await;
    assert_eq!(killer.query(&format!("KILL {id}"))[0][0], 0);
    let ((code, text), closed) = waiting.await.unwrap();
    assert_eq!((code, closed), (1927, true), "{text}");
    holder.query("ROLLBACK");
    assert_eq!(killer.value("SELECT GROUP_CONCAT(v) FROM killed"), "held");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_result_when_its_connection_is_killed_breaks_off_and_the_connection_ends() {
    let world = World::before_pair();
    for _ in 0..10 {
        let (mut reader, mut killer) = (Raw::ready(world.address), Raw::ready(world.address));
        let id = reader.greeting.thread;
        reader.write_command("SELECT a.seq, b.seq FROM seq_1_to_100000 a, seq_1_to_100000 b");
        reader.read().unwrap();
        let reading = tokio::task::spawn_blocking(move || while reader.read().is_ok() {});
        assert_eq!(killer.query(&format!("KILL {id}"))[0][0], 0);
        let limit = std::time::Duration::from_mins(1);
        let over = tokio::time::timeout(limit, reading).await;
        assert!(over.is_ok(), "the connection stays");
    }
}
