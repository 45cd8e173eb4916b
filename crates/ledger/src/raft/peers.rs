//! What this node, as leader, has lately heard from each other member: whether it lives, how far
//! its log is, whether its store is the one it joined with.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::message::Pong;
use super::types::{Membership, Vote};

/// The other members.
#[derive(Default)]
pub(crate) struct Peers(Mutex<BTreeMap<u64, Peer>>);

#[derive(Default)]
struct Peer {
    busy: bool,
    /// When the last ping that was answered had been sent.
    answered: Option<Instant>,
    /// Since when pings are answered without a gap.
    steady: Option<Instant>,
    last_index: Option<u64>,
    stranger: Option<u64>,
}

impl Peers {
    /// Whether a new ping may be sent to `id`: none is under way. Ends with [`Peers::done`].
    pub(crate) fn begin(&self, id: u64) -> bool {
        let mut peers = self.lock();
        let peer = peers.entry(id).or_default();
        !std::mem::replace(&mut peer.busy, true)
    }

    /// The ping sent to `id` at `sent` has ended, with an answer or without.
    pub(crate) fn done(&self, id: u64, sent: Instant, pong: Option<Pong>, gap: Duration) {
        let mut peers = self.lock();
        let peer = peers.entry(id).or_default();
        peer.busy = false;
        let Some(pong) = pong else { return };
        if peer
            .answered
            .is_none_or(|at| sent.saturating_duration_since(at) > gap)
        {
            peer.steady = Some(sent);
        }
        peer.answered = Some(sent);
        peer.last_index = pong.last_index;
        peer.stranger = None;
    }

    /// `id` said that it has another store than the one it joined with.
    pub(crate) fn note_stranger(&self, id: u64, store: u64) {
        self.lock().entry(id).or_default().stranger = Some(store);
    }

    /// Forgets `id`, which is no member any more.
    pub(crate) fn forget(&self, id: u64) {
        self.lock().remove(&id);
    }

    /// Whether `id` lately said that its store is another one than it joined with.
    pub(crate) fn is_stranger(&self, id: u64) -> bool {
        self.lock()
            .get(&id)
            .is_some_and(|peer| peer.stranger.is_some())
    }

    /// Whether `id` answered a ping sent within the last `within`.
    pub(crate) fn lives(&self, id: u64, within: Duration) -> bool {
        self.lock()
            .get(&id)
            .and_then(|peer| peer.answered)
            .is_some_and(|at| at.elapsed() <= within)
    }

    /// For how long `id` has answered every ping, up to now.
    pub(crate) fn steady_for(&self, id: u64, within: Duration) -> Option<Duration> {
        if !self.lives(id, within) {
            return None;
        }
        self.lock().get(&id)?.steady.map(|since| since.elapsed())
    }

    /// The last log index `id` told.
    pub(crate) fn last_index(&self, id: u64) -> Option<u64> {
        self.lock().get(&id)?.last_index
    }

    /// Whether this node and those who answered within `within` are a majority in every part of
    /// the membership, with `spare` voters more than needed.
    pub(crate) fn is_quorum(
        &self,
        members: &Membership,
        me: u64,
        within: Duration,
        spare: usize,
    ) -> bool {
        members.get_joint_config().iter().all(|voters| {
            let alive = voters
                .iter()
                .filter(|id| **id == me || self.lives(**id, within))
                .count();
            !voters.is_empty() && alive > voters.len() / 2 + spare
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Peer>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether an answer with vote `theirs` confirms the leader with vote `mine`.
pub(crate) fn confirms(theirs: Vote, mine: Vote) -> bool {
    theirs <= mine
}
