//! What a store keeps when its process is killed, and whose stores are refused.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;

use ledger::{Error, Identity, Raft, Record, Register as _, Swap, Timing};

use crate::net::{LIMIT, Link, Net, identity, voter, write};

const DIR: &str = "LEDGER_TEST_DIR";

async fn open_at(dir: &std::path::Path, me: Identity) -> Result<Raft, Error> {
    let link = Arc::new(Link {
        net: Arc::<Net>::default(),
        from: me.node,
    });
    Raft::open(dir, me, link, Timing::default()).await
}

/// The child of the test below: writes without end and tells each record only when its swap has
/// won. Without the child's variable there is nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn child_that_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let raft = open_at(dir.as_ref(), identity(1)).await.unwrap();
    if !raft.is_member() {
        raft.found(voter(1, false)).await.unwrap();
    }
    loop {
        let written = write(&raft, "acknowledged").await;
        println!("WON {} {}", written.rev, written.nonce);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn won_swaps_when_the_process_is_killed_then_are_there() {
    let home = tempfile::tempdir().unwrap();
    let mut last = (0_u64, 0_u128);
    for kill_after in [1, 20, 45, 70] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durable::child_that_is_killed", "--nocapture"])
            .env(DIR, home.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut won = 0;
        while won < kill_after {
            let line = lines.next().expect("the child ended by itself").unwrap();
            let Some(told) = line.split("WON ").nth(1) else {
                continue;
            };
            let (rev, nonce) = told.split_once(' ').unwrap();
            let told: (u64, u128) = (rev.parse().unwrap(), nonce.parse().unwrap());
            assert!(told.0 > last.0, "went back from {} to {}", last.0, told.0);
            (last, won) = (told, won + 1);
        }
        child.kill().unwrap();
        child.wait().unwrap();
        // The child may have told more before it died.
        for line in lines.map_while(Result::ok) {
            if let Some((rev, nonce)) = line.split("WON ").nth(1).and_then(|it| it.split_once(' '))
                && let (Ok(rev), Ok(nonce)) = (rev.parse(), nonce.parse())
            {
                last = (rev, nonce);
            }
        }
        let raft = open_at(home.path(), identity(1)).await.unwrap();
        let shown = raft
            .watch()
            .borrow()
            .as_ref()
            .map_or(0, |record| record.rev);
        assert!(
            shown + 2 >= last.0,
            "shows {shown} at once, {} were won",
            last.0
        );
        let now = raft.read(LIMIT).await.unwrap().unwrap();
        assert!(
            now.rev == last.0 || now.rev == last.0 + 1,
            "{} after {}",
            now.rev,
            last.0
        );
        let again = Record {
            rev: last.0,
            nonce: last.1,
            body: b"acknowledged".to_vec(),
        };
        let told = raft
            .swap(Some(last.0 - 1).filter(|rev| *rev > 0), again, LIMIT)
            .await;
        assert_eq!(
            told,
            Swap::Won,
            "the last told record is not the one that is kept"
        );
        raft.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn store_when_of_another_node_or_cluster_then_refused() {
    let home = tempfile::tempdir().unwrap();
    open_at(home.path(), identity(1))
        .await
        .unwrap()
        .stop()
        .await;
    let other_cluster = Identity {
        cluster: "other".into(),
        node: 1,
    };
    for me in [identity(2), other_cluster] {
        match open_at(home.path(), me).await {
            Err(error @ Error::ForeignStore { .. }) => println!("{error}"),
            other => panic!("{:?}", other.err()),
        }
    }
    open_at(home.path(), identity(1))
        .await
        .unwrap()
        .stop()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn store_when_open_already_then_refused() {
    let home = tempfile::tempdir().unwrap();
    let first = open_at(home.path(), identity(1)).await.unwrap();
    let second = open_at(home.path(), identity(1)).await;
    assert!(matches!(second, Err(Error::StoreFailed(_))));
    first.stop().await;
    open_at(home.path(), identity(1))
        .await
        .unwrap()
        .stop()
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger_when_founded_then_not_founded_again() {
    let home = tempfile::tempdir().unwrap();
    let raft = open_at(home.path(), identity(1)).await.unwrap();
    assert!(!raft.is_member());
    raft.found(voter(1, false)).await.unwrap();
    assert!(matches!(
        raft.found(voter(1, false)).await,
        Err(Error::FoundedAlready)
    ));
    raft.stop().await;
    let raft = open_at(home.path(), identity(1)).await.unwrap();
    assert!(raft.is_member());
    assert!(matches!(
        raft.found(voter(1, false)).await,
        Err(Error::FoundedAlready)
    ));
    write(&raft, "after a restart").await;
    raft.stop().await;
}
