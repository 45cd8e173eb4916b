//! Disks that hang or fail under a running node: it must step aside, and say why.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use redb::backends::InMemoryBackend;
use redb::{Database, StorageBackend};

use super::disk::Disk;
use super::{Identity, Raft, Timing, Transport, Voter};
use crate::{Error, Record, Register as _, Swap};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Well,
    Hangs,
    Fails,
}

/// A disk whose flushes can be made to hang or fail.
#[derive(Clone, Debug)]
struct Moody(Arc<InMemoryBackend>, Arc<(Mutex<Mood>, Condvar)>);

impl Moody {
    fn new() -> Self {
        Self(
            Arc::default(),
            Arc::new((Mutex::new(Mood::Well), Condvar::new())),
        )
    }

    fn set(&self, mood: Mood) {
        *self.1.0.lock().unwrap() = mood;
        self.1.1.notify_all();
    }
}

impl StorageBackend for Moody {
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.read(offset, out)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }
    fn sync_data(&self) -> io::Result<()> {
        let mood = self.1.0.lock().unwrap();
        let mood = self
            .1
            .1
            .wait_while(mood, |mood| *mood == Mood::Hangs)
            .unwrap();
        if *mood == Mood::Fails {
            Err(io::ErrorKind::StorageFull.into())
        } else {
            Ok(())
        }
    }
    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.write(offset, data)
    }
}

type Nodes = Arc<Mutex<BTreeMap<u64, Weak<Raft>>>>;

struct Wire(Nodes);

#[async_trait]
impl Transport for Wire {
    async fn call(&self, to: u64, _: &str, request: Vec<u8>, _: Duration) -> io::Result<Vec<u8>> {
        let node = self.0.lock().unwrap().get(&to).and_then(Weak::upgrade);
        let node = node.ok_or(io::ErrorKind::ConnectionRefused)?;
        Ok(tokio::spawn(async move { node.handle(&request).await }).await?)
    }
}

async fn three() -> BTreeMap<u64, (Arc<Raft>, Moody)> {
    let nodes = Nodes::default();
    let timing = Timing {
        probe: Duration::from_millis(500),
        settle: Duration::from_hours(1),
        ..Timing::default()
    };
    let mut cluster = BTreeMap::new();
    let mut wanted = BTreeMap::new();
    for id in 1..=3 {
        let moody = Moody::new();
        let database = Database::builder()
            .create_with_backend(moody.clone())
            .unwrap();
        let me = Identity {
            cluster: "moody".into(),
            node: id,
        };
        let (disk, loaded) = Disk::start(database, Path::new("memory"), &me).unwrap();
        let wire = Arc::new(Wire(Arc::clone(&nodes)));
        let raft = Raft::start(disk, loaded, me, wire, timing.clone())
            .await
            .unwrap();
        let raft = Arc::new(raft);
        nodes.lock().unwrap().insert(id, Arc::downgrade(&raft));
        let voter = Voter {
            name: format!("n{id}"),
            address: String::new(),
            witness: false,
            running: true,
        };
        if id == 1 {
            raft.found(voter.clone()).await.unwrap();
        }
        wanted.insert(id, voter);
        cluster.insert(id, (raft, moody));
    }
    let end = Instant::now() + Duration::from_secs(20);
    while cluster[&1].0.reach().voters.len() < 3 || !cluster[&1].0.reach().has_spare {
        let _ = cluster[&1].0.reconcile(wanted.clone()).await;
        assert!(Instant::now() < end, "{:?}", cluster[&1].0.reach());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    cluster
}

/// Writes through node `id`; returns how long it took.
async fn write(cluster: &BTreeMap<u64, (Arc<Raft>, Moody)>, id: u64) -> Duration {
    let start = Instant::now();
    let raft = &cluster[&id].0;
    loop {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "no write got through"
        );
        let Ok(now) = raft.read(Duration::from_secs(5)).await else {
            continue;
        };
        let rev = now.map(|record| record.rev);
        let next = Record::following(rev, b"body".to_vec()).unwrap();
        if raft.swap(rev, next, Duration::from_secs(5)).await == Swap::Won {
            return start.elapsed();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn leader_when_its_idle_disk_hangs_then_another_leads() {
    let cluster = three().await;
    write(&cluster, 2).await;
    cluster[&1].1.set(Mood::Hangs);
    // Nobody writes: the probe alone has to notice.
    let end = Instant::now() + Duration::from_secs(10);
    while cluster[&2].0.reach().leader == Some("n1".into()) || !cluster[&2].0.reach().reachable {
        assert!(Instant::now() < end, "{:?}", cluster[&2].0.reach());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(
        cluster[&1]
            .0
            .reach()
            .trouble
            .unwrap()
            .contains("has not flushed")
    );
    assert!(!cluster[&1].0.reach().reachable);
    write(&cluster, 2).await;
    // It cannot promise anything, but it may still ask those who can.
    let asked = cluster[&1].0.read(Duration::from_secs(5)).await;
    assert!(asked.is_ok(), "{asked:?}");
    cluster[&1].1.set(Mood::Well);
    write(&cluster, 1).await;
    let end = Instant::now() + Duration::from_secs(10);
    while !cluster[&1].0.reach().has_spare {
        assert!(Instant::now() < end, "{:?}", cluster[&1].0.reach());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn follower_when_its_disk_hangs_then_no_write_waits_and_it_does_not_vote() {
    let cluster = three().await;
    cluster[&3].1.set(Mood::Hangs);
    for _ in 0..50 {
        let took = write(&cluster, 2).await;
        assert!(took < Duration::from_millis(400), "{took:?}");
    }
    let end = Instant::now() + Duration::from_secs(10);
    while cluster[&1].0.reach().has_spare {
        assert!(
            Instant::now() < end,
            "a voter that cannot promise counts as a spare"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    cluster[&3].1.set(Mood::Well);
    write(&cluster, 3).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leader_when_its_disk_fails_then_says_so_and_another_leads() {
    let cluster = three().await;
    cluster[&1].1.set(Mood::Fails);
    write(&cluster, 2).await;
    assert!(
        cluster[&1]
            .0
            .reach()
            .trouble
            .unwrap()
            .contains("store failed")
    );
    assert_ne!(cluster[&2].0.reach().leader, Some("n1".into()));
    // It promises nothing any more, but it still learns from those who lead.
    let end = Instant::now() + Duration::from_secs(10);
    while cluster[&1].0.read(Duration::from_secs(1)).await.is_err() {
        assert!(Instant::now() < end, "{:?}", cluster[&1].0.reach());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_voter_when_its_disk_fails_then_says_so() {
    let moody = Moody::new();
    let database = Database::builder()
        .create_with_backend(moody.clone())
        .unwrap();
    let me = Identity {
        cluster: "moody".into(),
        node: 1,
    };
    let (disk, loaded) = Disk::start(database, Path::new("memory"), &me).unwrap();
    let wire = Arc::new(Wire(Nodes::default()));
    let raft = Raft::start(disk, loaded, me, wire, Timing::default())
        .await
        .unwrap();
    let voter = Voter {
        name: "n1".into(),
        address: String::new(),
        witness: false,
        running: true,
    };
    raft.found(voter).await.unwrap();
    moody.set(Mood::Fails);
    let next = Record::following(None, vec![]).unwrap();
    let told = raft.swap(None, next, Duration::from_secs(5)).await;
    assert_eq!(told, Swap::Undecided);
    let failed = raft.read(Duration::from_secs(5)).await;
    assert!(matches!(failed, Err(Error::StoreFailed(_))), "{failed:?}");
    raft.stop().await;
}
