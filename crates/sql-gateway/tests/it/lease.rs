//! A gateway that slept: what it believed of the route may be out of date before anybody can say so.

use std::time::{Duration, Instant};

use crate::raw::Raw;
use crate::world::{World, eventually};

fn far() -> Instant {
    Instant::now() + Duration::from_mins(1)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_when_the_lease_is_over_waits_until_it_is_put_off() {
    let world = World::before_pair();
    let mut client = Raw::ready(world.address);
    world.lease.renew(Some(far()));
    assert_eq!(client.value("SELECT name FROM who"), "a");
    world.lease.renew(Some(Instant::now()));
    let waiting = tokio::task::spawn_blocking(move || client.value("SELECT name FROM who"));
    eventually("the read waits", || world.handle.stats().held == 1).await;
    world.lease.renew(Some(far()));
    assert_eq!(waiting.await.unwrap(), "a");
    assert_eq!(world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_when_the_lease_ended_meanwhile_is_asked_again_of_the_next_primary() {
    let world = World::before_pair();
    let (mut client, mut other) = (Raw::ready(world.address), Raw::ready(world.address));
    world.lease.renew(Some(far()));
    assert_eq!(other.query("LOCK TABLES who WRITE")[0][0], 0);
    let reading = tokio::task::spawn_blocking(move || client.value("SELECT name FROM who"));
    eventually("the read runs", || {
        world.handle.stats().open_transactions == 1
    })
    .await;
    world.lease.renew(Some(Instant::now()));
    drop(other);
    eventually("its answer is not passed on", || {
        world.handle.stats().held == 1
    })
    .await;
    assert!(!reading.is_finished());
    world.switch(Some("b")).await;
    world.lease.renew(None);
    assert_eq!(reading.await.unwrap(), "b");
    assert_eq!(world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_when_the_lease_ended_meanwhile_is_answered() {
    let world = World::before_pair();
    let mut client = Raw::ready(world.address);
    world.lease.renew(Some(far()));
    let writing = tokio::task::spawn_blocking(move || {
        client.query("INSERT INTO t (v) SELECT 'late' FROM who WHERE SLEEP(1) = 0")[0][0]
    });
    eventually("the write runs", || {
        world.handle.stats().open_transactions == 1
    })
    .await;
    world.lease.renew(Some(Instant::now()));
    assert_eq!(writing.await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_when_the_lease_is_over_waits_with_its_connection() {
    let world = World::before_pair();
    let mut client = Raw::ready(world.address);
    world.lease.renew(Some(far()));
    client.query("BEGIN");
    client.query("INSERT INTO t (v) VALUES ('leased')");
    world.lease.renew(Some(Instant::now()));
    let waiting = tokio::task::spawn_blocking(move || {
        let read = "SELECT COUNT(*) FROM t WHERE v = 'leased'";
        let seen = client.value(read);
        client.query("ROLLBACK");
        (seen, client.value(read))
    });
    eventually("the read waits", || world.handle.stats().held == 1).await;
    assert_eq!(world.handle.stats().open_transactions, 1);
    world.lease.renew(Some(far()));
    let (inside, after) = waiting.await.unwrap();
    assert_eq!((inside.as_str(), after.as_str()), ("1", "0"));
    assert_eq!(world.handle.stats().moved, 0);
    assert_eq!(world.handle.stats().errors, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_when_the_lease_ends_for_good_is_run_again_on_the_next_primary() {
    let world = World::before_pair();
    let mut client = Raw::ready(world.address);
    world.lease.renew(Some(far()));
    client.query("BEGIN");
    world.lease.renew(Some(Instant::now()));
    let waiting = tokio::task::spawn_blocking(move || client.value("SELECT name FROM who"));
    eventually("the read waits", || world.handle.stats().held == 1).await;
    world.switch(Some("b")).await;
    world.lease.renew(None);
    assert_eq!(waiting.await.unwrap(), "b");
    assert_eq!(world.handle.stats().errors, 0);
}
