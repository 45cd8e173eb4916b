//! Which way a read or a swap takes to the leader, and when to think again.

use std::time::{Duration, Instant};

use super::inner::Inner;
use super::types::Member;

/// Where an attempt goes.
pub(crate) enum Route {
    Here,
    To {
        id: u64,
        member: Member,
        relay: bool,
    },
    Nowhere,
}

/// What was tried on the way to the leader.
#[derive(Default)]
pub(crate) struct Way {
    /// Who led, as far as was known here.
    pub(crate) leader: Option<u64>,
    /// How many attempts have failed since.
    pub(crate) failures: usize,
}

/// After so many pauses without a leader it is worth asking others.
const ELECTION: usize = 20;

/// The pause between two attempts, cut short when the leader changes.
const PAUSE: Duration = Duration::from_millis(30);

impl Inner {
    /// Straight to the leader first; after a failure every other attempt goes through another
    /// member, each in turn. While no leader is known, others are asked only after a while: an
    /// election is under way, and this node will hear of its end.
    pub(crate) fn route(&self, way: &mut Way) -> Route {
        if self.leads() {
            return Route::Here;
        }
        let leader = self.leader().filter(|id| *id != self.me());
        if leader != way.leader {
            *way = Way {
                leader,
                failures: 0,
            };
        }
        let detour = match leader {
            Some(id) if way.failures.is_multiple_of(2) => match self.member(id) {
                Some(member) => {
                    return Route::To {
                        id,
                        member,
                        relay: false,
                    };
                }
                None => way.failures / 2,
            },
            Some(_) => way.failures / 2,
            None if way.failures < ELECTION => return Route::Nowhere,
            None => way.failures - ELECTION,
        };
        let members = self.members();
        let others: Vec<_> = members
            .nodes()
            .filter(|(id, _)| **id != self.me() && Some(**id) != leader)
            .collect();
        if others.is_empty() {
            return Route::Nowhere;
        }
        let (id, member) = others[detour % others.len()];
        Route::To {
            id: *id,
            member: member.clone(),
            relay: true,
        }
    }

    pub(crate) fn other_leader(&self) -> Result<(u64, Member), String> {
        let leader = self.leader().filter(|id| *id != self.me());
        let leader = leader.and_then(|id| Some((id, self.member(id)?)));
        leader.ok_or_else(|| "no leader of the ledger is known".into())
    }

    /// Returns when the leader is another one than `before`.
    pub(crate) async fn leader_changes(&self, before: Option<u64>) {
        let mut metrics = self.core.server_metrics();
        loop {
            metrics.borrow_and_update();
            if self.leads() || self.leader() != before {
                return;
            }
            if metrics.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Waits before the next attempt; `false` when there is no time for one.
    pub(crate) async fn pause(&self, end: Instant) -> bool {
        let mut metrics = self.core.server_metrics();
        metrics.mark_unchanged();
        let left = end.saturating_duration_since(Instant::now());
        let _ = tokio::time::timeout(left.min(PAUSE), metrics.changed()).await;
        Instant::now() < end
    }
}
