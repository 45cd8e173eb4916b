//! What a gateway counts: by account and route, and why connections begin and end.

use std::collections::BTreeMap;

use mysql_async::prelude::Queryable;
use sql_gateway::{AccountFigures, Figures};

use crate::raw::Raw;
use crate::world::{World, eventually, who};

fn of(figures: &Figures, account: &str) -> AccountFigures {
    let mut accounts = figures.accounts.iter();
    let found = accounts.find(|figures| figures.account == account);
    found.cloned().unwrap_or_default()
}

/// Those that are not 0.
fn counted(reasons: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let all = reasons.iter().filter(|(_, count)| **count > 0);
    all.map(|(reason, count)| (reason.as_str(), *count))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_when_answered_are_counted_for_their_account() {
    let world = World::before_pair();
    let mut app = Raw::ready(world.address);
    for _ in 0..5 {
        app.value("SELECT 42");
    }
    assert_eq!(app.error("SELECT nothing").0, 1054);
    app.value("SELECT SLEEP(0.2)");
    // A client may have its answer before it is counted.
    eventually("all are counted", || {
        of(&world.handle.figures(), "app").primary.queries == 7
    })
    .await;
    let seen = of(&world.handle.figures(), "app");
    assert_eq!(seen.primary.failed, 1);
    let time = seen.primary.time_ms;
    assert!(time >= 150, "{time} ms");
    assert_eq!((seen.clients, seen.primary.connections), (1, 1));
    assert_eq!(seen.replica, sql_gateway::RouteFigures::default());
    let mut empty = world.connect_as("empty", "").await.unwrap();
    who(&mut empty).await.unwrap();
    let seen = world.handle.figures();
    assert_eq!((of(&seen, "empty").clients, seen.clients), (1, 2));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_when_they_begin_and_end_have_each_one_reason() {
    let world = World::before_pair();
    let mut app = world.connect().await;
    who(&mut app).await.unwrap();
    assert!(world.connect_as("app", "wrong").await.is_err());
    assert!(world.connect_as("nobody", "").await.is_err());
    drop(std::net::TcpStream::connect(world.address).unwrap());
    world.switch(Some("b")).await;
    who(&mut app).await.unwrap();
    app.disconnect().await.unwrap();
    let ended = || world.handle.figures().clients_closed.values().sum::<u64>() == 4;
    eventually("all have left", ended).await;
    eventually("its connection waits for another client", || {
        world.handle.stats().spare == 1
    })
    .await;
    world.switch(None).await;
    eventually("it waits no more", || world.handle.stats().spare == 0).await;
    let seen = world.handle.figures();
    assert_eq!(counted(&seen.clients_opened), [("tcp", 4)]);
    assert_eq!(
        counted(&seen.clients_closed),
        [("login-refused", 2), ("quit", 1), ("vanished", 1)]
    );
    assert_eq!(
        counted(&seen.connections_opened),
        [("login", 1), ("moved", 1)]
    );
    assert_eq!(counted(&seen.connections_closed), [("rerouted", 2)]);
    assert_eq!((seen.clients, of(&seen, "app").clients), (0, 0));
    // Nobody gets a line of numbers by claiming a name.
    assert_eq!(
        seen.accounts
            .iter()
            .filter(|seen| seen.account == "nobody")
            .count(),
        0
    );
    assert_eq!(seen.moved, 1);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_and_statements_when_the_primary_changes_are_counted_as_replayed_and_held() {
    let world = World::before_pair();
    let mut app = world.connect().await;
    app.query_drop("START TRANSACTION").await.unwrap();
    let first: Option<u32> = app.query_first("SELECT 42").await.unwrap();
    assert_eq!(first, Some(42));
    world.switch(None).await;
    let waits = tokio::spawn(async move {
        let count: Option<u32> = app.query_first("SELECT 1").await.unwrap();
        (app, count)
    });
    eventually("it is held", || world.handle.figures().held == 1).await;
    world.switch(Some("b")).await;
    let (mut app, count) = waits.await.unwrap();
    assert_eq!(count, Some(1));
    app.query_drop("ROLLBACK").await.unwrap();
    eventually("the replay is counted", || {
        let seen = of(&world.handle.figures(), "app");
        (seen.replayed, seen.held) == (1, 1)
    })
    .await;
    assert_eq!(world.handle.figures().held, 0);
    world.end().await;
}
