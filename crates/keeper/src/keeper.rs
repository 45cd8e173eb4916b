//! The loop. It looks, lets the core decide, and carries out what was decided, one step after the
//! other; then it publishes what it believes. Waiting is in one place (`signal.rs`), changing in another.

mod act;
mod behind;
mod entangled;
mod publish;
mod stuck;
mod wish;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use cluster::{Action, BootId, Document, Gate, Memory, Reason, View, decide};
use tokio::sync::{mpsc, watch};

use crate::actor::Actor;
use crate::gossip::Gossip;
use crate::journal;
use crate::picture::Picture;
use crate::request::{Pending, Request};
use crate::scribe::Scribe;
use crate::shared::{Clock, Shared};
use crate::slot::Slot;
use crate::store::Store;
use crate::{Error, Extras, Handle, Parts, Result, upkeep};

/// While an action runs, the picture is published at this pace.
const PUBLISH_PACE: Duration = Duration::from_millis(100);
/// Longest pause after something failed.
const BACKOFF_LIMIT: Duration = Duration::from_secs(1);

/// One node's keeper.
pub struct Keeper {
    shared: Arc<Shared>,
    actor: Actor,
    pub(crate) view: View,
    slot: Slot,
    gossip: Gossip,
    requests: mpsc::Receiver<Request>,
    pending: Option<Pending>,
    picture: watch::Sender<Arc<Picture>>,
    cluster: String,
    extras: Extras,
    reason: Option<Reason>,
    reason_since: u64,
    backoff: Duration,
    /// The step that failed last, until it works or a whole round does.
    failing: Option<String>,
    held_since: Option<u64>,
    last_serving: u64,
    told: Option<(cluster::Report, Option<u64>)>,
    found: watch::Sender<upkeep::Found>,
    /// Apply that does not move.
    standing: Option<entangled::Standing>,
    pulsed: u64,
    pulse_pace: u64,
    disabled_events: Vec<String>,
    contacts: publish::Contacts,
}

impl Keeper {
    /// A keeper of this node; it does nothing before `run`.
    pub async fn new(parts: Parts) -> Result<(Self, Handle)> {
        let store = Store::open(parts.state_dir.clone())?;
        if let Some(server) = parts.server.as_ref().filter(|server| server.has_data()) {
            store.recognise(&server.settings().database_dir).await?;
        }
        let clock = Clock::start();
        let scribe = Scribe::new(Arc::clone(&parts.register));
        let shared = Arc::new(Shared::new(&parts, scribe.clone(), clock)?);
        let actor = Actor {
            server: parts.server.clone(),
            scribe,
            endpoint: parts.endpoint,
            upstream: parts.upstream,
            admissions: parts.admissions,
            store,
            progress: Arc::default(),
        };
        let view = first_view(&parts.me, &actor, parts.timing, clock)?;
        let (requests_in, requests) = mpsc::channel(16);
        let slot = Slot::new(parts.server);
        let picture = Picture {
            view: view.clone(),
            reason: Reason::LedgerUnknown.to_string(),
            cluster: parts.cluster.clone(),
            reach: ledger::Reach::default(),
            extras: Extras::default(),
            others: std::collections::BTreeMap::new(),
            in_contact: false,
            fresh_until: None,
            generation: 0,
            report: Arc::new(view.report()),
        };
        let picture = watch::Sender::new(Arc::new(picture));
        let handle = Handle {
            shared: Arc::clone(&shared),
            picture: picture.subscribe(),
            requests: requests_in,
        };
        let keeper = Self {
            shared,
            actor,
            view,
            slot,
            gossip: Gossip::new(),
            requests,
            pending: None,
            picture,
            cluster: parts.cluster,
            extras: Extras::default(),
            reason: None,
            reason_since: clock.now(),
            backoff: Duration::ZERO,
            failing: None,
            held_since: None,
            last_serving: clock.now(),
            told: None,
            found: watch::Sender::default(),
            standing: None,
            pulsed: 0,
            pulse_pace: stuck::PULSE_PACE,
            disabled_events: Vec::new(),
            contacts: publish::Contacts::new(clock.now()),
        };
        Ok((keeper, handle))
    }

    /// Keeps the node until it is told to stop. The server goes on without it.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) -> Result<()> {
        let mut signals = crate::signal::Signals::new(&self.shared, &self.actor);
        let mut beside = tokio::task::JoinSet::new();
        if let Some(server) = self.actor.server.clone() {
            let found = self.found.clone();
            beside.spawn(upkeep::run(server, self.picture.subscribe(), found));
        }
        loop {
            self.take_requests();
            self.refresh();
            self.slot
                .look(&mut self.view, &self.actor, &mut self.extras)
                .await;
            if let Some(why) = self.unreadable() {
                tokio::select! {
                    () = self.wait_behind(why, &mut signals) => {}
                    _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
                }
                continue;
            }
            self.settle_wish();
            let decision = decide(&self.view);
            self.note(&decision.reason, &decision.actions);
            self.publish();
            self.release_stuck_commits();
            self.release_entangled_apply();
            if decision.actions.is_empty() {
                self.backoff = Duration::ZERO;
                let tick = self.tick();
                tokio::select! {
                    () = signals.wait(&self.shared, &mut self.slot, tick) => {}
                    Some(request) = self.requests.recv() => {
                        self.accept(request);
                    }
                    _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
                }
                continue;
            }
            tokio::select! {
                () = self.carry_out_all(decision.actions, &mut signals) => {}
                _ = shutdown.wait_for(|stop| *stop) => return Ok(()),
            }
        }
    }

    /// Brings everything but the server's own words up to date.
    fn refresh(&mut self) {
        self.view.now = self.shared.clock.now();
        self.view.wall = wall_ms() / 1_000;
        let learned = self
            .shared
            .learned
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(document) = learned {
            self.learn(&document);
        }
        if let Some(record) = self.shared.scribe.register().watch().borrow().as_ref()
            && self
                .view
                .document
                .as_ref()
                .is_none_or(|document| document.rev < record.rev)
        {
            // What cannot be read is for `unreadable` to say.
            if let Ok(document) = crate::decode_document(&record.body) {
                self.learn(&document);
            }
        }
        // Why before: who answered has then said what is read here.
        self.contacts
            .note(self.shared.board.margin().round_trips, self.view.now);
        let posted = self.shared.board.read(self.view.document.as_ref());
        if let Some(document) = posted.newest {
            self.learn(&document);
        }
        let members = self
            .view
            .document
            .as_ref()
            .map(|document| document.members.clone());
        self.view.peers = posted.peers;
        if let Some(members) = members {
            self.view.peers.retain(|node, _| members.contains_key(node));
        }
        if let Some(document) = &self.view.document {
            self.view.memory.passing(self.view.now, document);
            let primary = &document.primary;
            if self
                .view
                .fresh(primary)
                .is_some_and(|r| r.serving.is_some())
                && let Some(peer) = self.view.peers.get(primary)
            {
                self.last_serving = peer.heard;
                if let Some(extras) = self.shared.board.extras_of(primary) {
                    self.disabled_events = extras.disabled_events;
                }
            }
        }
        self.view.gate = *self.shared.gate.borrow();
        if self.view.gate.holding.is_none() {
            // Why: how much is open counts only while holding, and it changes all the time.
            self.view.gate.open = 0;
        }
        self.slot.read_admissions(&mut self.view, &self.actor);
        let state = self.actor.store.state();
        (self.view.data, self.view.mark, self.view.followed) =
            (state.data, state.mark, state.followed);
    }

    fn learn(&mut self, document: &Document) {
        if self
            .view
            .document
            .as_ref()
            .is_some_and(|known| known.rev >= document.rev)
        {
            return;
        }
        let known = self.view.document.as_ref();
        if known.is_some_and(|known| known.epoch != document.epoch) {
            self.slot.primary_changed();
        }
        self.view.memory.learned(&self.view.me, document);
        self.view.document = Some(document.clone());
    }

    fn note(&mut self, reason: &Reason, actions: &[Action]) {
        let mut journal = self
            .shared
            .journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if journal.note(wall_ms(), &self.view, reason, actions) {
            let actions: Vec<_> = actions.iter().map(journal::name).collect();
            tracing::info!(actions = actions.join(", "), "{reason}");
            self.reason_since = self.view.now;
        }
        drop(journal);
        self.extras.reason = reason.to_string();
        self.reason = Some(reason.clone());
    }
}

fn first_view(
    me: &cluster::NodeName,
    actor: &Actor,
    timing: cluster::Timing,
    clock: Clock,
) -> Result<View> {
    let state = actor.store.state();
    Ok(View {
        now: clock.now(),
        wall: wall_ms() / 1_000,
        me: me.clone(),
        boot: boot_id()?,
        data: state.data,
        mark: state.mark,
        followed: state.followed,
        server: cluster::Server::Unseen,
        server_since: clock.now(),
        document: None,
        peers: std::collections::BTreeMap::new(),
        admissions: std::collections::BTreeMap::new(),
        gate: Gate::default(),
        wish: None,
        memory: Memory::default(),
        timing,
    })
}

fn boot_id() -> Result<BootId> {
    let path = "/proc/sys/kernel/random/boot_id";
    let fail = |why: String| Error::State {
        path: path.into(),
        why,
    };
    let text = std::fs::read_to_string(path).map_err(|error| fail(error.to_string()))?;
    text.parse()
        .map_err(|error: cluster::NotAnId| fail(error.to_string()))
}

fn wall_ms() -> u64 {
    jiff::Timestamp::now()
        .as_millisecond()
        .try_into()
        .unwrap_or(0)
}
