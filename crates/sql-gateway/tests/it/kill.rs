//! KILL finds its target by both ids, and an OK that comes after it is never passed on.

use crate::raw::Raw;
use crate::server::Server;
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
