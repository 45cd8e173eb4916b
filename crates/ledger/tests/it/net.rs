//! A cluster in one process: real stores on disk, calls over memory, links that can be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use ledger::{Change, Identity, Raft, Reach, Record, Register, Swap, Timing, Transport, Voter};
use tempfile::TempDir;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);

/// The links between nodes.
#[derive(Default)]
pub(crate) struct Net {
    nodes: Mutex<BTreeMap<u64, Weak<Raft>>>,
    cut: Mutex<BTreeSet<(u64, u64)>>,
    /// Added to each call, one way, in microseconds.
    delay_micros: AtomicU64,
    pub(crate) calls: AtomicU64,
    /// The last request anybody sent.
    pub(crate) last: Mutex<Vec<u8>>,
}

impl Net {
    pub(crate) fn set_delay(&self, delay: Duration) {
        self.delay_micros
            .store(delay.as_micros() as u64, Ordering::Relaxed);
    }

    pub(crate) fn cut_link(&self, a: u64, b: u64) {
        self.cut.lock().unwrap().extend([(a, b), (b, a)]);
    }

    pub(crate) fn isolate(&self, node: u64) {
        for other in 1..20 {
            self.cut_link(node, other);
        }
    }

    pub(crate) fn heal(&self) {
        self.cut.lock().unwrap().clear();
    }

    pub(crate) fn plug(&self, id: u64, raft: &Arc<Raft>) {
        self.nodes.lock().unwrap().insert(id, Arc::downgrade(raft));
    }

    fn is_cut(&self, from: u64, to: u64) -> bool {
        self.cut.lock().unwrap().contains(&(from, to))
    }
}

pub(crate) struct Link {
    pub(crate) net: Arc<Net>,
    pub(crate) from: u64,
}

#[async_trait]
impl Transport for Link {
    async fn call(
        &self,
        to: u64,
        _: &str,
        request: Vec<u8>,
        limit: Duration,
    ) -> io::Result<Vec<u8>> {
        self.net.calls.fetch_add(1, Ordering::Relaxed);
        self.net.last.lock().unwrap().clone_from(&request);
        let delay = Duration::from_micros(self.net.delay_micros.load(Ordering::Relaxed));
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        let lost = || async {
            tokio::time::sleep(limit).await;
            Err(io::Error::from(io::ErrorKind::TimedOut))
        };
        if self.net.is_cut(self.from, to) {
            return lost().await;
        }
        let node = self
            .net
            .nodes
            .lock()
            .unwrap()
            .get(&to)
            .and_then(Weak::upgrade);
        let node = node.ok_or_else(|| io::Error::from(io::ErrorKind::ConnectionRefused))?;
        // As over a real network, the other side goes on when the caller gives up.
        let work = tokio::spawn(async move { node.handle(&request).await });
        let answer = work.await.map_err(io::Error::other)?;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if self.net.is_cut(self.from, to) {
            return lost().await;
        }
        Ok(answer)
    }
}

/// Nodes 1, 2, 3, ... of one ledger.
pub(crate) struct Cluster {
    pub(crate) net: Arc<Net>,
    pub(crate) nodes: BTreeMap<u64, Arc<Raft>>,
    pub(crate) wanted: BTreeMap<u64, Voter>,
    pub(crate) timing: Timing,
    home: TempDir,
}

pub(crate) fn identity(node: u64) -> Identity {
    Identity {
        cluster: "trial".into(),
        node,
    }
}

pub(crate) fn voter(id: u64, witness: bool) -> Voter {
    Voter {
        name: format!("n{id}"),
        address: format!("node-{id}"),
        witness,
        running: true,
    }
}

impl Cluster {
    /// One node that has founded the ledger.
    pub(crate) async fn found(timing: Timing) -> Self {
        let mut cluster = Self {
            net: Arc::default(),
            nodes: BTreeMap::new(),
            wanted: BTreeMap::from([(1, voter(1, false))]),
            timing,
            home: tempfile::tempdir().unwrap(),
        };
        cluster.open(1).await;
        cluster.nodes[&1].found(voter(1, false)).await.unwrap();
        cluster
    }

    /// A ledger of `count` nodes that all vote; `witness` is one of them or 0.
    pub(crate) async fn of(count: u64, witness: u64, timing: Timing) -> Self {
        let mut cluster = Self::found(timing).await;
        for id in 1..=count {
            cluster.wanted.insert(id, voter(id, id == witness));
            if id > 1 {
                cluster.open(id).await;
            }
        }
        cluster.settle(count as usize).await;
        cluster
    }

    pub(crate) fn dir(&self, id: u64) -> PathBuf {
        self.home.path().join(format!("n{id}"))
    }

    pub(crate) async fn open(&mut self, id: u64) {
        let link = Arc::new(Link {
            net: Arc::clone(&self.net),
            from: id,
        });
        let dir = self.dir(id);
        let raft = Raft::open(&dir, identity(id), link, self.timing.clone())
            .await
            .unwrap();
        let raft = Arc::new(raft);
        self.net.plug(id, &raft);
        self.nodes.insert(id, raft);
    }

    /// Ends a node: from now on it answers nothing, its store is closed.
    pub(crate) async fn close(&mut self, id: u64) {
        let raft = self.nodes.remove(&id).unwrap();
        self.net.nodes.lock().unwrap().remove(&id);
        raft.stop().await;
    }

    /// Calls reconcile everywhere; returns what the leader did.
    pub(crate) async fn reconcile(&self) -> Vec<Change> {
        let mut changes = Vec::new();
        for raft in self.nodes.values() {
            match raft.reconcile(self.wanted.clone()).await {
                Ok(Change::NotLeader) => {}
                Ok(change) => changes.push(change),
                Err(error) => changes.push(Change::Waiting(error.to_string())),
            }
        }
        changes
    }

    /// Reconciles until `voters` vote and nothing is left to do but to hand the lead over.
    pub(crate) async fn settle(&self, voters: usize) {
        let end = Instant::now() + LIMIT;
        loop {
            let changes = self.reconcile().await;
            let reach = self.leader().map(|id| self.nodes[&id].reach());
            let right = reach
                .as_ref()
                .is_some_and(|reach| reach.voters.len() == voters);
            if right && changes == [Change::Nothing] {
                return;
            }
            assert!(Instant::now() < end, "not settled: {changes:?} {reach:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The node that says of itself that it leads and is confirmed.
    pub(crate) fn leader(&self) -> Option<u64> {
        self.nodes.iter().find_map(|(id, raft)| {
            let reach = raft.reach();
            let mine = reach.leader == Some(format!("n{id}")) && reach.reachable;
            mine.then_some(*id)
        })
    }

    /// The first node that is none of `ids`.
    pub(crate) fn other_than(&self, ids: &[u64]) -> u64 {
        self.nodes
            .keys()
            .copied()
            .find(|id| !ids.contains(id))
            .unwrap()
    }

    pub(crate) async fn await_leader(&self) -> u64 {
        self.until("a leader", Self::leader).await
    }

    /// Waits until `look` gives something.
    pub(crate) async fn until<T>(&self, what: &str, look: impl Fn(&Self) -> Option<T>) -> T {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            let reach: Vec<Reach> = self.nodes.values().map(|raft| raft.reach()).collect();
            assert!(Instant::now() < end, "no {what}: {reach:#?}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn handles(&self) -> Vec<Arc<dyn Register>> {
        self.nodes
            .values()
            .map(|raft| Arc::clone(raft) as Arc<dyn Register>)
            .collect()
    }

    pub(crate) async fn stop(&mut self) {
        for id in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.close(id).await;
        }
    }
}

/// Wins one swap through `register`, however many tries it takes; returns the record.
pub(crate) async fn write(register: &dyn Register, body: &str) -> Record {
    let end = Instant::now() + LIMIT;
    loop {
        assert!(Instant::now() < end, "could not write `{body}`");
        let Ok(now) = register.read(LIMIT).await else {
            continue;
        };
        let rev = now.map(|record| record.rev);
        let next = Record::following(rev, body.as_bytes().to_vec()).unwrap();
        if register.swap(rev, next.clone(), LIMIT).await == Swap::Won {
            return next;
        }
    }
}

/// The default timing with quicker handovers.
pub(crate) fn quick() -> Timing {
    Timing {
        settle: Duration::from_millis(500),
        ..Timing::default()
    }
}

/// The default timing without handovers.
pub(crate) fn still() -> Timing {
    Timing {
        settle: Duration::from_hours(1),
        ..Timing::default()
    }
}
