//! Planned switchover: what is new waits, what is open ends, nobody gets an error.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use mysql_async::prelude::Queryable;

use crate::raw::Raw;
use crate::world::{World, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_when_a_transaction_is_open_lets_it_end_and_stops_the_rest() {
    let world = World::before_pair();
    let (mut inside, mut outside) = (Raw::ready(world.address), Raw::ready(world.address));
    inside.query("BEGIN");
    inside.query("INSERT INTO t (v) VALUES ('held')");
    let handle = world.handle.clone();
    let hold = tokio::spawn(async move { handle.hold(Duration::from_secs(10)).await });
    eventually("the hold is seen", || {
        !hold.is_finished() && world.handle.stats().open_transactions == 1
    })
    .await;
    tokio::time::sleep(Duration::from_millis(50)).await;
    let waiting = tokio::task::spawn_blocking(move || outside.value("SELECT name FROM who"));
    eventually("the other waits", || world.handle.stats().held == 1).await;
    assert_eq!(
        inside.query("UPDATE t SET v = 'still' WHERE v = 'held'")[0][0],
        0
    );
    assert!(!hold.is_finished());
    assert_eq!(inside.query("ROLLBACK")[0][0], 0);
    assert_eq!(hold.await.unwrap().open_transactions, 0);
    assert!(!waiting.is_finished());
    world.switch(Some("b")).await;
    assert_eq!(waiting.await.unwrap(), "b");
    assert_eq!(inside.value("SELECT name FROM who"), "b");
    assert_eq!(world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hold_when_the_limit_passes_says_how_many_are_open_and_a_release_ends_it() {
    let world = World::before_pair();
    let (mut inside, mut running) = (Raw::ready(world.address), Raw::ready(world.address));
    inside.query("BEGIN");
    let running = tokio::task::spawn_blocking(move || running.value("SELECT SLEEP(1)"));
    eventually("both are open", || {
        world.handle.stats().open_transactions == 2
    })
    .await;
    assert_eq!(
        world
            .handle
            .hold(Duration::from_millis(100))
            .await
            .open_transactions,
        2
    );
    let mut outside = Raw::open(world.address);
    let waiting = tokio::task::spawn_blocking(move || {
        assert_eq!(
            outside.log_in(crate::raw::PLAIN, wire::native::PLUGIN, "app")[0],
            0
        );
    });
    eventually("a login waits", || world.handle.stats().held == 1).await;
    world.handle.release();
    waiting.await.unwrap();
    running.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn writers_when_the_primary_is_switched_again_and_again_see_no_error_and_lose_nothing() {
    let world = World::before_pair();
    // Why a table of its own: other tests lock theirs, and a hold waits for whoever waits for that.
    for server in crate::world::pair() {
        server.sql("CREATE TABLE shop.chain LIKE shop.t");
    }
    let stop = Arc::new(AtomicBool::new(false));
    let written = Arc::new(AtomicU64::new(0));
    let mut writers = Vec::new();
    for writer in 0..8u32 {
        let mut conn = world.connect().await;
        let (stop, written) = (Arc::clone(&stop), Arc::clone(&written));
        writers.push(tokio::spawn(async move {
            let insert = conn.prep("INSERT INTO chain (v) VALUES (?)").await.unwrap();
            while !stop.load(Ordering::SeqCst) {
                if writer % 2 == 0 {
                    conn.exec_drop(&insert, ("chain",)).await.unwrap();
                } else {
                    conn.query_drop("BEGIN").await.unwrap();
                    conn.query_drop("INSERT INTO chain (v) VALUES ('chain')")
                        .await
                        .unwrap();
                    conn.query_drop("COMMIT").await.unwrap();
                }
                written.fetch_add(1, Ordering::SeqCst);
            }
        }));
    }
    for round in 0..20 {
        let target = written.load(Ordering::SeqCst) + 50;
        eventually("writes go on", || written.load(Ordering::SeqCst) >= target).await;
        let drained = world.handle.hold(Duration::from_mins(1)).await;
        assert_eq!(drained.open_transactions, 0);
        world
            .switch(Some(if round % 2 == 0 { "b" } else { "a" }))
            .await;
    }
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.await.unwrap();
    }
    let count = |server: &crate::server::Server| -> u64 {
        server
            .sql("SELECT COUNT(*) FROM shop.chain")
            .parse()
            .unwrap()
    };
    let pair = crate::world::pair();
    assert_eq!(
        count(&pair[0]) + count(&pair[1]),
        written.load(Ordering::SeqCst)
    );
    assert_eq!(world.handle.stats().errors, 0);
}
