//! Power was lost while a replica noted whom it follows: the files in which it does that are empty, or not what
//! they were. It follows again, from the position in its table.

use std::path::Path;

use crate::fixture::{LIMIT, Node, cluster, until};

/// The files, and what is left in them.
type Damage = &'static [(&'static str, &'static [u8])];

/// Killed, damaged, started, examined; then it must follow and catch up.
async fn follows_after(damage: Damage) {
    let mut nodes = cluster(1, true).await;
    let (replica, primary) = (nodes.pop().unwrap(), nodes.pop().unwrap());
    primary.run("INSERT INTO test.t (v) VALUES (1)").await;
    let end = primary.status().await.binlog;
    assert!(replica.server.wait_applied(&end, LIMIT).await.unwrap());
    replica.server.kill(LIMIT).await.unwrap();
    for (name, content) in damage {
        let path = Path::new(&replica.server.settings().database_dir).join(name);
        assert!(path.exists(), "{name}");
        std::fs::write(path, content).unwrap();
    }
    primary.run("INSERT INTO test.t (v) VALUES (2)").await;
    replica.start().await;
    replica.server.salvage(None, |_, _| {}).await.unwrap();
    replica.server.follow(true, LIMIT).await.unwrap();
    assert_caught_up(&primary, &replica).await;
    // What was written anew is sound: a restart in good order needs nothing.
    replica.server.stop(LIMIT).await.unwrap();
    replica.start().await;
    replica.server.salvage(None, |_, _| {}).await.unwrap();
    replica.server.follow(true, LIMIT).await.unwrap();
    primary.run("INSERT INTO test.t (v) VALUES (3)").await;
    assert_caught_up(&primary, &replica).await;
}

async fn assert_caught_up(primary: &Node, replica: &Node) {
    let end = primary.status().await.binlog;
    until("it has caught up", || async {
        replica.status().await.applied.covers(&end)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_when_the_note_of_the_source_is_empty_then_it_is_written_anew() {
    follows_after(&[("master.info", b"")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_when_the_note_of_the_relay_log_is_empty_then_it_is_written_anew() {
    follows_after(&[("relay-log.info", b"")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_when_both_notes_are_empty_then_they_are_written_anew() {
    follows_after(&[("master.info", b""), ("relay-log.info", b"")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_when_the_notes_hold_zeros_then_they_are_written_anew() {
    follows_after(&[("master.info", &[0; 200]), ("relay-log.info", &[0; 60])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_when_the_index_of_the_relay_log_is_empty_then_it_is_written_anew() {
    follows_after(&[("relay.index", b"")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_when_the_index_names_a_file_that_is_lost_then_it_is_written_anew() {
    follows_after(&[("relay.index", b"./relay.000077\n")]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_when_the_index_holds_zeros_then_it_is_written_anew() {
    follows_after(&[("relay.index", &[0; 30])]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn follow_when_the_list_of_sources_holds_zeros_then_it_is_written_anew() {
    follows_after(&[("multi-master.info", &[0; 16])]).await;
}
