//! What keepers do when something is urgent while something else is under way, and the way round.

use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cluster::Server as Seen;
use peer::Authority;

use crate::node::{LIMIT, Node, force, in_sync, pair, shop};
use crate::register::Memory;

pub(crate) fn signal(pid: u32, name: &str) {
    let sent = Command::new("kill").args([name, &pid.to_string()]).status();
    assert!(sent.unwrap().success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_node_when_it_has_cloned_then_takes_over_and_gives_back() {
    let (alpha, bravo) = shop().await;
    alpha.write("INSERT INTO shop.t VALUES (1)").await;
    let pid = alpha.server.find_running().await.unwrap();
    signal(pid, "-KILL");
    bravo
        .until("serves", |view| view.serving() == Some(2))
        .await;
    bravo.write("INSERT INTO shop.t VALUES (2)").await;
    bravo
        .until("protected again", |view| in_sync(view) == ["alpha"])
        .await;
    let changed = bravo.handle.switchover(None).await.unwrap();
    assert_eq!((changed.epoch, changed.to.as_str()), (3, "alpha"));
    alpha
        .until("serves again", |view| view.serving() == Some(3))
        .await;
    assert_eq!(alpha.value("SELECT COUNT(*) FROM shop.t").await, "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_primary_when_a_newer_epoch_comes_during_its_swap_then_stopped_at_once() {
    let (alpha, bravo) = pair().await;
    alpha.register.hangs.store(true, Ordering::Relaxed);
    let start = Instant::now();
    while alpha.register.hung.load(Ordering::Relaxed) == 0 {
        assert!(
            start.elapsed() < LIMIT,
            "alpha never tried to take bravo in"
        );
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let pid = alpha.server.find_running().await.unwrap();
    let end = bravo.server.status(LIMIT).await.unwrap().current;
    force(&alpha.register, &bravo, end);
    let start = Instant::now();
    while alpha.server.find_running().await == Some(pid) {
        assert!(start.elapsed() < LIMIT, "the old primary was never stopped");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let took = start.elapsed();
    println!("the old primary ended {took:?} after the newer epoch was known");
    assert!(took < Duration::from_millis(1_500), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_recovers_when_the_agent_wakes_then_left_to_it() {
    let authority = Authority::create("test").unwrap();
    let (mut alpha, keeper) = Node::new(&authority, Memory::new(), 1, true).await;
    let starting = alpha.server.clone();
    let starting =
        tokio::spawn(async move { starting.start(mariadb::StartAs::Ordinary, LIMIT).await });
    let start = Instant::now();
    let pid = loop {
        if let Some(pid) = alpha.server.find_running().await {
            break pid;
        }
        assert!(start.elapsed() < LIMIT, "no process");
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    signal(pid, "-STOP");
    starting.abort();
    alpha.run(keeper);
    let busy = |seen: &Seen| matches!(seen, Seen::Busy(with) if with == "starting");
    alpha
        .until("seen as starting", |view| busy(&view.server))
        .await;
    let watched = Instant::now();
    while watched.elapsed() < Duration::from_secs(3) {
        assert_eq!(
            alpha.server.find_running().await,
            Some(pid),
            "it was killed"
        );
        assert!(!matches!(alpha.view().server, Seen::Running(_)));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    signal(pid, "-CONT");
    alpha.until("serves", |view| view.serving().is_some()).await;
    assert_eq!(alpha.server.find_running().await, Some(pid));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_whose_threads_were_stopped_by_hand_then_follows_and_keeps_what_it_had() {
    let (alpha, bravo) = shop().await;
    bravo.write("STOP SLAVE SQL_THREAD").await;
    alpha.write("INSERT INTO shop.t VALUES (1)").await;
    bravo.write("STOP SLAVE").await;
    alpha.write("INSERT INTO shop.t VALUES (2)").await;
    bravo.until_value("SELECT COUNT(*) FROM shop.t", "2").await;
    bravo
        .until("in sync", |view| in_sync(view) == ["bravo"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wish_whose_asker_has_gone_then_does_not_block_the_next() {
    let authority = Authority::create("test").unwrap();
    let (mut alpha, keeper) = Node::new(&authority, Memory::new(), 1, true).await;
    alpha.run(keeper);
    alpha.until("serves", |view| view.serving().is_some()).await;
    let (bravo, _) = Node::new(&authority, alpha.register.handle(), 2, false).await;
    bravo.join();
    let is_member = |view: &cluster::View| {
        let document = view.document.as_ref();
        document.is_some_and(|document| document.members.len() == 2)
    };
    alpha.until("has two members", is_member).await;
    let asked = alpha.handle.switchover(Some("bravo".parse().unwrap()));
    let gone = tokio::time::timeout(Duration::from_millis(300), asked).await;
    assert!(gone.is_err(), "{gone:?}");
    alpha.until("forgets it", |view| view.wish.is_none()).await;
    let told = alpha.handle.switchover(None).await.unwrap_err().to_string();
    assert!(told.contains("no replica is in sync"), "{told}");
}
