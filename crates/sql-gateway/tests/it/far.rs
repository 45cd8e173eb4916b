//! A primary on another node: everything goes through an encrypted stream.

use mysql_async::prelude::Queryable;

use crate::world::{World, eventually, who};

/// The primary is `b`, which only an encrypted stream reaches.
async fn world() -> World {
    let world = World::before_pair();
    world.switch(Some("b")).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_when_the_primary_is_far_then_large_ones_pass_both_ways() {
    let world = world().await;
    let mut conn = world.connect().await;
    assert_eq!(who(&mut conn).await.unwrap(), "b");
    let large = "x".repeat(17 << 20);
    let query = format!("SELECT LENGTH('{large}')");
    let length: Option<usize> = conn.query_first(query).await.unwrap();
    assert_eq!(length, Some(large.len()));
    let text = "SELECT REPEAT('y', 15000000), REPEAT('z', 15000000)";
    let row: Option<(String, String)> = conn.query_first(text).await.unwrap();
    let (first, second) = row.unwrap();
    assert!(first.len() == 15_000_000 && first.bytes().all(|byte| byte == b'y'));
    assert!(second.len() == 15_000_000 && second.bytes().all(|byte| byte == b'z'));
    let text = "SELECT seq, REPEAT('a', seq % 300) FROM seq_1_to_100000";
    let rows: Vec<(usize, String)> = conn.query(text).await.unwrap();
    assert_eq!(rows.len(), 100_000);
    assert!(rows.iter().all(|(n, text)| text.len() == n % 300));
}

#[tokio::test(flavor = "multi_thread")]
async fn session_when_its_stream_is_cut_then_it_goes_on_by_another() {
    let world = world().await;
    let mut conn = world.connect().await;
    conn.query_drop("SET group_concat_max_len = 777")
        .await
        .unwrap();
    let before = world.handle.stats().backends;
    world.cut();
    eventually("the gateway has noticed", || {
        world.handle.stats().backends < before
    })
    .await;
    let kept: Option<u32> = conn
        .query_first("SELECT @@group_concat_max_len")
        .await
        .unwrap();
    assert_eq!(kept, Some(777));
    assert_eq!(who(&mut conn).await.unwrap(), "b");
}
