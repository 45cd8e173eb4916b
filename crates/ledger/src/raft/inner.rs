//! What the parts of a running Raft node share: openraft's core, the store, the line to others,
//! and the signs of life of the leader.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use openraft::ServerState;
use tokio::sync::Semaphore;

use super::caller::Caller;
use super::message::Ping;
use super::shown::Shown;
use super::store::Store;
use super::timing::Timing;
use super::types::{Core, LogId, Member, StoredMembership, Vote};
use crate::Reach;

/// How many reads and swaps of other nodes are worked on at once.
const FORWARDED_AT_ONCE: usize = 64;

/// A running Raft node.
pub(crate) struct Inner {
    pub(crate) core: Core,
    pub(crate) store: Arc<Store>,
    pub(crate) caller: Arc<Caller>,
    pub(crate) shown: Shown,
    pub(crate) gate: Semaphore,
    /// The lead is being handed over: nothing new is proposed here.
    pub(crate) is_handing_over: AtomicBool,
    signs: Mutex<Signs>,
}

/// What this node knows of the leader's life, its own included.
#[derive(Default)]
struct Signs {
    /// When the leader was last heard of.
    heard: Option<Instant>,
    /// The last ping of the leader.
    ping: Option<Ping>,
    /// No campaign before this.
    hold: Option<Instant>,
    /// When this node last voted for another.
    granted: Option<Instant>,
    /// Since when this node leads.
    leading: Option<Instant>,
}

impl Inner {
    pub(crate) fn new(core: Core, store: Arc<Store>, caller: Arc<Caller>, shown: Shown) -> Self {
        // Why: a node that has just started first listens for a leader.
        let signs = Signs {
            heard: Some(Instant::now()),
            ..Signs::default()
        };
        let gate = Semaphore::new(FORWARDED_AT_ONCE);
        let (is_handing_over, signs) = (AtomicBool::new(false), Mutex::new(signs));
        Self {
            core,
            store,
            caller,
            shown,
            gate,
            is_handing_over,
            signs,
        }
    }

    pub(crate) fn me(&self) -> u64 {
        self.caller.me.node
    }

    pub(crate) fn timing(&self) -> &Timing {
        &self.caller.timing
    }

    /// Why this node must neither lead nor vote now.
    pub(crate) fn trouble(&self) -> Option<String> {
        self.store.disk.trouble(self.timing().stall)
    }

    pub(crate) fn members(&self) -> Arc<StoredMembership> {
        Arc::clone(&self.core.server_metrics().borrow().membership_config)
    }

    pub(crate) fn vote(&self) -> Vote {
        self.core.server_metrics().borrow().vote
    }

    /// Whether this node leads, for all it knows: a leader whose disk hangs hears of its successor
    /// by ping, long before openraft can give way.
    pub(crate) fn leads(&self) -> bool {
        let state = self.core.server_metrics().borrow().state;
        state == ServerState::Leader && self.leader() == Some(self.me())
    }

    pub(crate) fn last_log(&self) -> Option<LogId> {
        self.store.last_log()
    }

    /// Who leads, as far as is known here: by the vote this node has, or by a newer leader's ping.
    pub(crate) fn leader(&self) -> Option<u64> {
        let (vote, leader) = {
            let metrics = self.core.server_metrics();
            let metrics = metrics.borrow();
            (metrics.vote, metrics.current_leader)
        };
        match self.signs().ping {
            Some(ping) if ping.vote > vote => Some(ping.vote.leader_id.node_id),
            _ => leader,
        }
    }

    /// Whether a quorum stood by this node, as leader, within the last `within`. Its election was
    /// such a confirmation.
    pub(crate) fn is_confirmed(&self, within: Duration) -> bool {
        let fresh = self.led_for().is_some_and(|led| led <= within);
        let members = self.members();
        fresh
            || self
                .caller
                .peers
                .is_quorum(members.membership(), self.me(), within, 0)
    }

    /// The ping this node sends as leader.
    pub(crate) fn ping(&self) -> Ping {
        let recent = self.timing().recent();
        let members = self.members();
        let members = members.membership();
        Ping {
            vote: self.vote(),
            reachable: self.is_confirmed(recent),
            has_spare: self.caller.peers.is_quorum(members, self.me(), recent, 1),
        }
    }

    /// A leader was heard of; its ping, if that was it.
    pub(crate) fn hear(&self, ping: Option<Ping>) {
        let mut signs = self.signs();
        signs.heard = Some(Instant::now());
        if ping.is_some() {
            signs.ping = ping;
        }
    }

    /// Whether a leader was heard of within `within`.
    pub(crate) fn hears(&self, within: Duration) -> bool {
        self.signs().heard.is_some_and(|at| at.elapsed() <= within)
    }

    /// When the leader was last heard of.
    pub(crate) fn heard(&self) -> Option<Instant> {
        self.signs().heard
    }

    /// No campaign from here within `pause`.
    pub(crate) fn hold(&self, pause: Duration) {
        let until = Instant::now() + pause;
        let mut signs = self.signs();
        signs.hold = signs.hold.max(Some(until));
    }

    /// This node voted for another: it gives that one time to lead.
    pub(crate) fn grant(&self) {
        self.signs().granted = Some(Instant::now());
        self.hold(self.timing().lease);
    }

    /// Whether another, for whom this node voted, may be about to lead.
    pub(crate) fn has_granted(&self) -> bool {
        let granted = self.signs().granted;
        granted.is_some_and(|at| at.elapsed() <= self.timing().call)
    }

    /// Before this no campaign may start here.
    pub(crate) fn held(&self) -> Option<Instant> {
        self.signs().hold
    }

    /// Notes whether this node leads; one that ceases to has just heard of a leader: itself.
    pub(crate) fn note_leading(&self, leads: bool) {
        let mut signs = self.signs();
        if leads && signs.leading.is_none() {
            tracing::info!("this node now leads the ledger");
            signs.leading = Some(Instant::now());
        } else if !leads && signs.leading.take().is_some() {
            tracing::info!("this node no longer leads the ledger");
            signs.heard = Some(Instant::now());
        }
    }

    /// For how long this node has led.
    pub(crate) fn led_for(&self) -> Option<Duration> {
        self.signs().leading.map(|since| since.elapsed())
    }

    /// The member `id` of the ledger.
    pub(crate) fn member(&self, id: u64) -> Option<Member> {
        self.members().membership().get_node(&id).cloned()
    }

    /// How the register is reached from here.
    pub(crate) fn reach(&self) -> Reach {
        let members = self.members();
        let members = members.membership();
        let name = |id: u64| {
            members
                .get_node(&id)
                .map_or_else(|| format!("node {id}"), |member| member.name.clone())
        };
        let recent = self.timing().recent();
        let seen = if self.leads() {
            Some(self.ping())
        } else {
            let ping = self.signs().ping;
            ping.filter(|_| self.hears(recent))
        };
        let trouble = self.trouble();
        let well = trouble.is_none();
        Reach {
            kind: "raft",
            reachable: seen.is_some_and(|seen| seen.reachable) && well,
            has_spare: seen.is_some_and(|seen| seen.has_spare) && well,
            leader: self.leader().map(name),
            voters: members.voter_ids().map(name).collect(),
            learners: members.learner_ids().map(name).collect(),
            trouble: trouble.or_else(|| self.silence(members.nodes().count())),
        }
    }

    fn silence(&self, members: usize) -> Option<String> {
        if members == 0 {
            return Some("this node has not joined the ledger yet".into());
        }
        let recent = self.timing().recent();
        if self.leads() {
            let alone = !self.is_confirmed(recent);
            return alone.then(|| "the ledger's other voters do not answer".into());
        }
        (!self.hears(recent)).then(|| "no leader of the ledger is heard of".into())
    }

    fn signs(&self) -> MutexGuard<'_, Signs> {
        self.signs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
