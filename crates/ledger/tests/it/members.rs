//! Members that come and go while the ledger is written to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ledger::{Change, Raft, Record, Register as _, Swap};

use crate::net::{Cluster, LIMIT, identity, quick, still, voter, write};

#[tokio::test(flavor = "multi_thread")]
async fn second_when_it_joins_then_learns_and_third_makes_both_vote() {
    let mut cluster = Cluster::found(still()).await;
    write(&*cluster.nodes[&1], "one").await;
    cluster.wanted.insert(2, voter(2, false));
    assert!(
        matches!(cluster.reconcile().await[..], [Change::Waiting(_)]),
        "node 2 is not there"
    );
    cluster.open(2).await;
    cluster.settle(1).await;
    let reach = cluster.nodes[&1].reach();
    assert_eq!(
        (reach.voters, reach.learners),
        (vec!["n1".into()], vec!["n2".into()])
    );
    assert!(!reach.has_spare);
    write(&*cluster.nodes[&2], "from the learner").await;
    cluster.wanted.insert(3, voter(3, true));
    cluster.open(3).await;
    cluster.settle(3).await;
    let spare = |cluster: &Cluster| {
        cluster
            .nodes
            .values()
            .all(|raft| raft.reach().has_spare)
            .then_some(())
    };
    cluster.until("spare everywhere", spare).await;
    let written = write(&*cluster.nodes[&3], "from the third").await;
    assert_eq!(cluster.nodes[&2].read(LIMIT).await.unwrap(), Some(written));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_when_changed_under_writes_then_every_write_stays() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    let stop = Arc::new(AtomicBool::new(false));
    let writer = tokio::spawn({
        let (register, stop) = (cluster.nodes[&3].clone(), Arc::clone(&stop));
        async move {
            let (mut last, mut count) = (0, 0);
            while !stop.load(Ordering::Relaxed) {
                let written = write(&*register, "on").await;
                assert!(written.rev > last);
                (last, count) = (written.rev, count + 1);
            }
            (last, count)
        }
    });
    for (add, remove) in [(4, 2), (5, 1), (2, 4)] {
        cluster.wanted.insert(add, voter(add, false));
        cluster.open(add).await;
        cluster.settle(3).await;
        cluster.wanted.remove(&remove);
        cluster.settle(3).await;
        // One that is no member any more may go: nobody misses it.
        cluster.close(remove).await;
        std::fs::remove_dir_all(cluster.dir(remove)).unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let (last, count) = writer.await.unwrap();
    let now = cluster.nodes[&5].read(LIMIT).await.unwrap().unwrap();
    println!("{count} writes while three members were replaced");
    assert!(
        now.rev == last && count == last,
        "{} {last} {count}",
        now.rev
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn voter_when_its_store_is_wiped_then_votes_only_after_joining_anew() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    write(&*cluster.nodes[&1], "kept").await;
    let leader = cluster.await_leader().await;
    let wiped = cluster.other_than(&[leader]);
    cluster.close(wiped).await;
    std::fs::remove_dir_all(cluster.dir(wiped)).unwrap();
    cluster.open(wiped).await;
    // With the leader gone, only the wiped node's vote could elect the other: it must not.
    cluster.net.isolate(leader);
    let end = Instant::now() + Duration::from_secs(3);
    while Instant::now() < end {
        let elected = cluster.leader().filter(|id| *id != leader);
        assert_eq!(elected, None, "elected by a node that forgot");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cluster.net.heal();
    cluster.await_leader().await;
    let mut changes = Vec::new();
    let end = Instant::now() + LIMIT;
    while !(changes.contains(&Change::Removed(wiped)) && changes.contains(&Change::Added(wiped))) {
        changes.extend(cluster.reconcile().await);
        assert!(Instant::now() < end, "{changes:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cluster.settle(3).await;
    let spare = |cluster: &Cluster| {
        cluster
            .nodes
            .values()
            .all(|raft| raft.reach().has_spare)
            .then_some(())
    };
    cluster.until("spare everywhere", spare).await;
    let body = cluster.nodes[&wiped]
        .read(LIMIT)
        .await
        .unwrap()
        .unwrap()
        .body;
    assert_eq!(body, b"kept");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn member_when_removed_and_wanted_again_then_takes_part_with_its_old_store() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    let removed = cluster.wanted.remove(&2).unwrap();
    cluster.settle(1).await;
    // It goes on running, believes to vote, and must not get in the way.
    for round in 0..100 {
        write(&*cluster.nodes[&3], &format!("without {round}")).await;
    }
    assert_eq!(cluster.leader(), Some(1));
    cluster.wanted.insert(2, removed);
    cluster.settle(3).await;
    let written = write(&*cluster.nodes[&2], "back").await;
    assert_eq!(cluster.nodes[&3].read(LIMIT).await.unwrap(), Some(written));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leader_when_not_wanted_any_more_then_leaves_and_others_go_on() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    cluster.wanted.insert(4, voter(4, false));
    cluster.open(4).await;
    cluster.settle(3).await;
    assert_eq!(cluster.leader(), Some(1));
    cluster.wanted.remove(&1);
    let start = Instant::now();
    cluster.settle(3).await;
    println!("the leader left, all settled after {:.0?}", start.elapsed());
    write(&*cluster.nodes[&2], "without the first").await;
    let names = cluster.nodes[&2].reach();
    assert_eq!((names.voters.len(), names.learners.len()), (3, 0));
    assert!(!names.voters.contains(&"n1".to_string()));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ledger_when_forced_anew_then_goes_on_and_the_old_one_stays_apart() {
    let mut cluster = Cluster::of(3, 0, still()).await;
    for round in 0..40 {
        write(&*cluster.nodes[&1], &format!("round {round}")).await;
    }
    let written = write(&*cluster.nodes[&3], "the last").await;
    let caught_up = |cluster: &Cluster| {
        let shown = cluster.nodes[&3]
            .watch()
            .borrow()
            .as_ref()
            .map(|record| record.rev);
        (shown == Some(written.rev)).then_some(())
    };
    cluster.until("node 3 has it", caught_up).await;
    cluster.stop().await;
    cluster.nodes.clear();
    let forced = Raft::force_new(&cluster.dir(3), identity(3), voter(3, false)).await;
    assert_eq!(forced.unwrap(), Some(written.clone()));
    cluster.open(3).await;
    let now = cluster.nodes[&3].read(LIMIT).await.unwrap();
    assert_eq!(now, Some(written.clone()));
    let next = write(&*cluster.nodes[&3], "anew").await;
    assert_eq!(next.rev, written.rev + 1);
    // The old ones come back after all: they may form the old ledger, but never mix with the new.
    cluster.open(1).await;
    cluster.open(2).await;
    cluster.wanted = [1, 2, 3].map(|id| (id, voter(id, false))).into();
    let end = Instant::now() + Duration::from_secs(2);
    while Instant::now() < end {
        let changes = cluster.nodes[&3]
            .reconcile(cluster.wanted.clone())
            .await
            .unwrap();
        assert!(matches!(changes, Change::Waiting(_)), "{changes:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(
        cluster.nodes[&3].read(LIMIT).await.unwrap(),
        Some(next.clone())
    );
    for id in [1, 2] {
        cluster.close(id).await;
        std::fs::remove_dir_all(cluster.dir(id)).unwrap();
        cluster.open(id).await;
    }
    cluster.settle(3).await;
    assert_eq!(cluster.nodes[&1].read(LIMIT).await.unwrap(), Some(next));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn learner_when_far_behind_then_catches_up_from_a_snapshot() {
    let mut cluster = Cluster::of(3, 3, still()).await;
    for round in 0..150 {
        write(&*cluster.nodes[&1], &format!("round {round}")).await;
    }
    cluster.wanted.insert(4, voter(4, false));
    cluster.open(4).await;
    cluster.settle(3).await;
    let shown = |cluster: &Cluster| {
        let watch = cluster.nodes[&4].watch();
        let body = watch.borrow().as_ref().map(|record| record.body.clone());
        (body == Some(b"round 149".to_vec())).then_some(())
    };
    cluster.until("the learner's copy", shown).await;
    let size = std::fs::metadata(cluster.dir(1).join("ledger.redb"))
        .unwrap()
        .len();
    println!("the store takes {} KiB after 150 writes", size / 1024);
    assert!(size < 8 << 20, "{size}");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_when_changed_amid_cut_links_then_all_heals_and_nothing_is_lost() {
    let mut cluster = Cluster::of(3, 3, quick()).await;
    for id in [4, 5] {
        cluster.open(id).await;
    }
    let wanted = Arc::new(Mutex::new(cluster.wanted.clone()));
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for raft in cluster.nodes.values() {
        let (raft, wanted, stop) = (Arc::clone(raft), Arc::clone(&wanted), Arc::clone(&stop));
        tasks.push(tokio::spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let now = wanted.lock().unwrap().clone();
                let _ = raft.reconcile(now).await;
                tokio::time::sleep(Duration::from_millis(40)).await;
            }
        }));
    }
    let writer = tokio::spawn({
        let (register, stop) = (cluster.nodes[&3].clone(), Arc::clone(&stop));
        async move {
            let mut last = 0;
            while !stop.load(Ordering::Relaxed) {
                let Ok(now) = register.read(Duration::from_secs(1)).await else {
                    continue;
                };
                let rev = now.map(|record| record.rev);
                assert!(rev.unwrap_or(0) >= last, "a won swap is gone");
                let next = Record::following(rev, b"amid".to_vec()).unwrap();
                if register
                    .swap(rev, next.clone(), Duration::from_secs(1))
                    .await
                    == Swap::Won
                {
                    last = next.rev;
                }
            }
            last
        }
    });
    // Each round another set is wanted and another node is cut off, often the leader.
    for (round, cut) in [1, 2, 3, 4, 5, 1].into_iter().enumerate() {
        let ids: &[u64] = [&[1, 2, 3, 4, 5][..], &[1, 2, 3], &[3, 4, 5]][round % 3];
        *wanted.lock().unwrap() = ids.iter().map(|id| (*id, voter(*id, *id == 3))).collect();
        tokio::time::sleep(Duration::from_millis(100 * round as u64)).await;
        cluster.net.isolate(cut);
        tokio::time::sleep(Duration::from_millis(1100)).await;
        cluster.net.heal();
    }
    cluster.wanted = [1, 2, 3, 4, 5].map(|id| (id, voter(id, id == 3))).into();
    *wanted.lock().unwrap() = cluster.wanted.clone();
    let healed = |cluster: &Cluster| {
        let well = |raft: &Arc<Raft>| {
            let reach = raft.reach();
            reach.voters.len() == 5 && reach.has_spare && reach.leader == Some("n3".into())
        };
        cluster.nodes.values().all(well).then_some(())
    };
    cluster
        .until("all five vote and the witness leads", healed)
        .await;
    stop.store(true, Ordering::Relaxed);
    let last = writer.await.unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    let now = cluster.nodes[&1].read(LIMIT).await.unwrap().unwrap();
    println!("{last} writes amid changes and cuts");
    assert!(last > 100 && now.rev >= last, "{} {last}", now.rev);
    cluster.stop().await;
}
